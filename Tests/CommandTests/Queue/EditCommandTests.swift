import Foundation
import JobStore
import Requests
import TestSupport
import Testing

/// `segmoectl edit`
@Suite struct EditCommandTests {
  @Test func settingsArePromptlyOthers() throws {
    let command = try Command()
    _ = try command("enqueue", "a fox", "b", "--model", "demo", "--steps", "9", "--seed", "4")
    let answer = try command(
      "edit", "1", "--prompt", "a red fox", "--steps", "30", "--guidance", "-3", "--priority", "2")
    #expect(answer.code == 0 && answer.errors == "", "\(answer)")
    #expect(
      answer.output
        == "job 1: prompt a fox to a red fox, steps 9 to 30, guidance 7.5 to -3.0, priority 0 to 2\n")
    let jobs = try [1, 2].map { try command.client().details(job: $0).job.request }
    #expect(jobs[0].render.prompt == "a red fox" && jobs[0].render.steps == 30 && jobs[0].render.seed == 4)
    #expect(jobs[0].render.guidance == -3 && jobs[0].priority == 2 && jobs[0].render.model == "demo")
    #expect(jobs[1].render.prompt == "b" && jobs[1].render.steps == 9)
    #expect(try command("show", "1").output.contains("edited: prompt a fox to a red fox"))
  }

  @Test func jsonAndALook() throws {
    let command = try Command()
    _ = try command("enqueue", "p", "--model", "demo")
    let look = try command("edit", "1", "--steps", "30", "--dry-run", "--json")
    #expect(
      look.output == """
        {"id": 1, "changes": [{"setting": "steps", "before": "25", "now": "30"}], "waiting_for": [], "dry_run": true}

        """)
    #expect(
      try command("edit", "1", "--steps", "30", "--dry-run").output == "job 1 would change: steps 25 to 30\n")
    #expect(try command.client().details(job: 1).job.request.render.steps == 25)
    #expect(try command("edit", "1", "--steps", "25").output == "job 1 is so already: nothing changed\n")
    let changed = try command("edit", "1", "--run-after", "2h", "--max-attempts", "5", "--json")
    #expect(changed.code == 0)
    let job = try command.client().details(job: 1).job
    #expect(job.request.maxAttempts == 5 && job.runAfter != nil)
  }

  /// A schedule has steps of its own; a starting picture its usual strength; paths are made absolute.
  @Test func whatBelongsTogetherChangesTogether() throws {
    let command = try Command()
    _ = try command("enqueue", "p", "--model", "demo", "--steps", "9", "--scheduler", "tcd")
    try command.file("init.png", Data("x".utf8))
    let answer = try command(
      "edit", "1", "--timesteps", "999,500", "--init-image", "init.png", "--seed", "random")
    #expect(answer.code == 0, "\(answer)")
    let render = try command.client().details(job: 1).job.request.render
    #expect(render.steps == 2 && render.initImage == command.folder + "/init.png")
    #expect(render.strength == RenderRequest.defaultStrength && render.scheduler == .tcd)
    #expect(answer.output.contains("seed 0 to \(render.seed)") || render.seed == 0)
  }

  /// What is newly named of a hub is waited for, and somebody is told who brings it.
  @Test func aModelOfAHubIsWaitedFor() throws {
    let command = try Command()
    _ = try command("enqueue", "p", "--model", "demo")
    let answer = try command("edit", "1", "--model", "segmind/SegMoE-4x2-v0")
    #expect(answer.code == 0 && answer.errors.contains("segmoed fetch"), "\(answer)")
    #expect(try command.client().details(job: 1).job.isWaitingForSource)
    #expect(try command.daemon().claim() == nil)
    #expect(try command("edit", "1", "--model", "demo").errors == "")
    #expect(try command.daemon().claim()?.job.id == 1)
  }

  @Test func whatHasBegunIsRefused() throws {
    let command = try Command()
    _ = try command("enqueue", "p", "--model", "demo")
    let session = try command.daemon()
    let lease = try #require(try session.claim()).lease
    expectComplaint(
      try command("edit", "1", "--steps", "3"), code: 65, "job 1 is running", "`segmoectl enqueue --like 1`")
    try session.keep(Data([1]), step: 3, index: 0, modelDigest: "d", lease)
    try session.giveBack(lease)
    expectComplaint(
      try command("edit", "1", "--steps", "3"), code: 65, "saved steps", "`segmoectl enqueue --like 1`")
    expectComplaint(try command("edit", "1", "--steps", "3", "--dry-run"), code: 65, "saved steps")
    #expect(try command("enqueue", "--like", "1", "--steps", "3").code == 0)
  }
}
