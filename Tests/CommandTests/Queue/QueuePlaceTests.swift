import Foundation
import Glibc
import JobStore
import TestSupport
import Testing
import segmoectl

/// Where a client finds its queue.
@Suite struct QueuePlaceTests {
  /// An installed service whose configuration names a queue in a folder of its own.
  private struct Service {
    private let place: TemporaryFolder
    var folder: String { place.path }
    var queue: String { folder + "/state/queue.sqlite" }

    init(_ text: String? = nil) throws {
      place = try TemporaryFolder("etc", "state")
      try place.write("etc/config.yaml", text ?? "threads: 2\ndatabase: \(queue)\n")
    }

    func find(_ option: String? = nil, _ environment: [String: String] = [:]) -> QueuePlace {
      QueuePlace.find(
        option: option, environment: environment.merging(["HOME": "/home/anna"]) { one, _ in one },
        serviceFolder: folder + "/etc")
    }
  }

  @Test func inOrder() throws {
    let service = try Service()
    let named = service.find("/a/q", ["SEGMOE_DATABASE": "/b/q"])
    #expect(named.path == "/a/q" && named.source == .option)
    let variable = service.find(nil, ["SEGMOE_DATABASE": "/b/q"])
    #expect(variable.path == "/b/q" && variable.source == .environment)
    // Not there yet, but whoever enqueues can make it.
    #expect(service.find().path == service.queue && service.find().source == .service)
    #expect(service.find(nil, ["SEGMOE_DATABASE": ""]).source == .service)
    try FileManager.default.removeItem(atPath: service.folder + "/state")
    let own = service.find()
    #expect(own.path == "/home/anna/.local/state/segmoe/queue.sqlite" && own.source == .own)
    #expect(own.refusal == .noQueue(path: service.queue))
  }

  @Test(
    arguments: [
      ("", "/var/lib/segmoe/queue.sqlite"), ("#database: /x\n", "/var/lib/segmoe/queue.sqlite"),
      ("threads: 3", "/var/lib/segmoe/queue.sqlite"), ("database: q.sqlite", "FOLDER/q.sqlite"),
      ("database: [", nil),
      ("database: []", nil), ("- database", nil), ("database: /a/b", "/a/b"),
    ] as [(String, String?)])
  func theServicesConfigurationIsRead(text: String, path: String?) throws {
    let service = try Service(text)
    let folder = service.folder + "/etc"
    #expect(QueuePlace.servicePath(folder) == path?.replacingOccurrences(of: "FOLDER", with: folder))
    #expect(QueuePlace.servicePath("/nowhere") == nil)
  }

  /// Pictures that come home lie where daemons on this machine would put them; a server's address is no path.
  @Test func whereItsPicturesAre() throws {
    let anna = ["HOME": "/home/anna"]
    let server = "postgresql://anna@db/queue"
    func output(_ option: String, _ more: [String: String] = [:]) -> String {
      let environment = anna.merging(more) { $1 }
      return QueuePlace.find(option: option, environment: environment, serviceFolder: "/nowhere")
        .output(environment: environment, serviceFolder: "/nowhere")
    }
    #expect(output("/q/a.sqlite") == "/q/images")
    #expect(output(server) == "/home/anna/.local/state/segmoe/images")
    #expect(output(server, ["SEGMOE_DATABASE": "/other/q.sqlite"]) == "/home/anna/.local/state/segmoe/images")
    #expect(output(server, ["SEGMOE_OUTPUT": "/p"]) == "/p")
    let service = try Service("database: \(server)\noutput: /srv/pictures\n")
    #expect(
      service.find().output(environment: anna, serviceFolder: service.folder + "/etc") == "/srv/pictures")
  }

  /// The real client, under an /etc of its own.
  @Test(.enabled(if: geteuid() == 0 && access("/usr/bin/unshare", X_OK) == 0))
  func theRealClientUsesTheServicesQueue() throws {
    let command = try Command()
    chmod(command.folder, 0o755)
    let state = command.folder + "/state"
    try FileManager.default.createDirectory(atPath: state, withIntermediateDirectories: true)
    chown(state, 0, 100)
    chmod(state, 0o2770)
    let script = """
      mount -t tmpfs none /etc || exit 99
      mkdir /etc/segmoed && echo 'database: \(state)/queue.sqlite' >/etc/segmoed/config.yaml && exec "$@"
      """
    let mount = ["/usr/bin/unshare", "--mount", "/bin/sh", "-c", script, "sh"]
    let environment = ["SEGMOE_DATABASE": "", "HOME": command.folder]
    let probe = try command.run(["--version"], environment: environment, by: mount)
    // A container may not let its root mount anything.
    guard probe.code == 0 else { return }
    let member = try command.run(
      ["enqueue", "p", "--model", "m"], environment: environment, by: mount + Rights.nobody(group: 100))
    #expect(member.code == 0 && member.errors.contains("\(state)/queue.sqlite (the service's)"), "\(member)")
    #expect(member.errors.contains("sudo systemctl start segmoed"))
    let status = try command.run(
      ["status", "--json"], environment: environment, by: mount + Rights.nobody(group: 100))
    #expect(try status.object()["found_by"] as? String == "service")
    // Who is not a member has a queue of his own, and is told why.
    chmod(command.folder, 0o777)
    let other = try command.run(
      ["enqueue", "q", "--model", "m"], environment: environment, by: mount + Rights.nobody())
    #expect(other.code == 0 && other.errors.contains("(your own)"), "\(other)")
    let told = try command.run(["status"], environment: environment, by: mount + Rights.nobody())
    #expect(told.output.contains("not the service's: \(state)"), "\(told)")
  }
}
