import Checkpoints
import Diffusion
import Foundation
import GoldenModels
import Requests
import Tensors
import Testing
import WeightCache

/// Renders that leave work out, against the genuine packages DeepCache and tomesd: mean difference at most 0.05 levels,
/// maximum 2. And the same bytes however they are rendered.
@Suite struct RenderSavingsTests {
  private let seal = SealingKey()

  private func renderer(
    _ name: String = "base", precision: Precision = .f32, cache: PartCache = PartCache(), threads: Int = 2
  ) throws -> Renderer {
    Renderer(
      model: try Golden.ModelParts(name).load(cache: cache, precision: precision),
      pass: ForwardPass(compute: Compute(threads: threads)))
  }

  /// A request that leaves out what is said.
  private func request(
    _ deep: DeepCache?, _ merging: TokenMerging? = nil, scheduler: SchedulerName = .euler,
    change: (inout RenderRequest) -> Void = { _ in }
  ) -> PictureRequest {
    var request = PictureRequest(
      prompt: "a red fox", width: 64, height: 72, steps: 7, guidance: 4, scheduler: scheduler, seed: 7)
    request.render.deepCache = deep
    request.render.tokenMerging = merging
    change(&request.render)
    return request
  }

  private func latents(_ request: PictureRequest, by renderer: Renderer) throws -> [Float] {
    var denoising = try renderer.begin(request)
    while try renderer.advance(&denoising) {}
    return denoising.latents.values
  }

  private static let both = (DeepCache(interval: 3, branch: 1), TokenMerging(ratio: 0.4))

  @Test func sameAsTheReference() throws {
    let settings = try GoldenPicture.list("fewer")
    #expect(settings.count == 16)
    for setting in settings {
      let model = try setting.load()
      try setting.expect(by: model)
      // A build that leaves out a little more or less is outside of the bound.
      var request = try setting.request()
      request.render.deepCache?.interval += 1
      if let merging = request.tokenMerging {
        request.render.tokenMerging?.ratio = merging.ratio - 0.1
      }
      let other = try setting.difference(request, by: model)
      #expect(other.mean > 0.1, "\(setting.file): \(other)")
    }
  }

  /// Put down after any step and taken up elsewhere, where the deep features are made anew.
  @Test(arguments: [SchedulerName.euler, .heun, .pndm, .dpmpp2M, .kdpm2Ancestral, .dpmppSDE])
  func anyStepIsResumed(scheduler: SchedulerName) throws {
    let renderer = try renderer("all-3x2")
    let requests = [
      request(DeepCache(interval: 2), scheduler: scheduler),
      request(Self.both.0, Self.both.1, scheduler: scheduler),
      request(nil, Self.both.1, scheduler: scheduler) { $0.guidanceUntil = 0.5 },
      request(Self.both.0, Self.both.1, scheduler: scheduler) {
        ($0.guidanceFrom, $0.guidanceUntil) = (0.2, 0.7)
      },
    ]
    for (number, request) in requests.enumerated() {
      var whole = try renderer.begin(request)
      var states: [[UInt8]] = []
      repeat {
        states.append(renderer.resumeState(whole, of: request, seal: seal))
      } while try renderer.advance(&whole)
      for (step, state) in states.enumerated() {
        var resumed = try renderer.begin(request)
        #expect(try renderer.restore(&resumed, from: state, of: request, seal: seal))
        while try renderer.advance(&resumed) {}
        #expect(resumed.latents.values == whole.latents.values, "request \(number) from step \(step)")
      }
    }
  }

  /// A state without the latents of the last whole call, with others, or with some that do not belong there.
  @Test func statesAreChecked() throws {
    let renderer = try renderer()
    func isTaken(_ request: PictureRequest, _ change: (inout ResumeState) -> Void) throws -> Bool {
      var denoising = try renderer.begin(request)
      for _ in 0..<3 { _ = try renderer.advance(&denoising) }
      var (state, fresh) = (ResumeState(denoising), try renderer.begin(request))
      change(&state)
      return try renderer.restore(
        &fresh, from: renderer.resumeState(state, of: request, seal: seal), of: request, seal: seal)
    }
    let (deep, plain) = (request(DeepCache(interval: 2)), request(nil))
    #expect(try isTaken(deep) { _ in } && isTaken(plain) { _ in })
    #expect(try !isTaken(deep) { $0.wholeLatents = nil })
    #expect(try !isTaken(deep) { $0.wholeLatents = Tensor(shape: [1, 1, 1, 1]) })
    #expect(try !isTaken(deep) { $0.wholeLatents?.withUnsafeMutable { $0[5] = .nan } })
    #expect(try !isTaken(plain) { $0.wholeLatents = $0.latents })
    // What leaves out something else is another render.
    var denoising = try renderer.begin(deep)
    _ = try renderer.advance(&denoising)
    let state = renderer.resumeState(denoising, of: deep, seal: seal)
    // The map itself, which is large, is in no state: only latents, which have four axes.
    var other = try renderer.begin(plain)
    _ = try renderer.advance(&other)
    let small = renderer.resumeState(other, of: plain, seal: seal)
    #expect(state.count == small.count + other.latents.byteCount + 4 + 4 * 4)
    for other in [
      plain, request(DeepCache(interval: 2, branch: 1)), request(DeepCache(interval: 2), Self.both.1),
    ] {
      var fresh = try renderer.begin(other)
      #expect(try !renderer.restore(&fresh, from: state, of: other, seal: seal))
    }
  }

  /// In step or out of step, beside others that leave out other things.
  @Test func togetherAsAlone() throws {
    let renderer = try renderer("all-3x2")
    let requests = [
      request(DeepCache(interval: 3)), request(DeepCache(interval: 3)) { $0.seed = 8 },
      request(Self.both.0, Self.both.1, scheduler: .heun), request(nil, Self.both.1), request(nil),
      request(Self.both.0) { $0.guidanceUntil = 0.4 },
    ]
    let alone = try requests.map { try latents($0, by: renderer) }
    var group = RenderGroup()
    var handles: [RenderGroup.Handle] = []
    for (index, request) in requests.enumerated() {
      handles.append(group.add(try renderer.begin(request), of: renderer))
      // The first two go in step, the others come later.
      if index > 0 { #expect(group.advance().isEmpty) }
    }
    while group.unfinishedCount > 0 { #expect(group.advance().isEmpty) }
    for (handle, wanted) in zip(handles, alone) {
      #expect(group[handle]?.latents.values == wanted)
    }
  }

  @Test(arguments: [Precision.f32, .bf16, .int8])
  func neitherThreadsNorBudgetShow(precision: Precision) throws {
    let request = request(Self.both.0, Self.both.1)
    let wanted = try latents(request, by: renderer("all-3x2", precision: precision))
    #expect(wanted.allSatisfy { $0.isFinite })
    for threads in [1, 3, 5] {
      #expect(try latents(request, by: renderer("all-3x2", precision: precision, threads: threads)) == wanted)
    }
    for budget in [0, 30_000, 300_000] {
      for prefetches in [false, true] {
        let cache = PartCache(budget: budget, prefetches: prefetches)
        #expect(try latents(request, by: renderer("all-3x2", precision: precision, cache: cache)) == wanted)
      }
    }
    let plain = try latents(self.request(nil), by: renderer("all-3x2", precision: precision))
    #expect(plain != wanted)
  }

  /// The plan counts the kept map and what merging takes, and a step uses the parts that it names.
  @Test func isPlanned() throws {
    let wide = try renderer("wide")
    func plan(
      _ deep: DeepCache?, _ merging: TokenMerging?, edge: Int = 512, of renderer: Renderer? = nil
    ) throws -> RenderPlan {
      var request = request(deep, merging)
      (request.width, request.height) = (edge, edge)
      return try (renderer ?? wide).plan(request)
    }
    let plain = try plan(nil, nil)
    #expect(plain.step.keptBytes == 0)
    // Branch 3 keeps the map of the second level: two rows, 32×32 positions, 16 channels.
    let deep = try plan(DeepCache(interval: 2, branch: 3), nil)
    #expect(deep.step.keptBytes == 2 * 32 * 32 * 16 * 4)
    #expect(deep.step.tensorBytes >= plain.step.tensorBytes)
    #expect(deep.step.uses.map(\.key) == plain.step.uses.map(\.key))
    // Of 128×128 tokens, those that go are compared with those that stay in pieces.
    let merging = try plan(nil, TokenMerging(ratio: 0.5), edge: 1024, of: self.renderer())
    #expect(merging.step.largestTensor == 1536 * 64 * 64 * 4 && merging.step.keptBytes == 0)
    let unmerged = try plan(nil, nil, edge: 1024, of: self.renderer())
    #expect(unmerged.step.largestTensor < merging.step.largestTensor)
    #expect(unmerged.step.tensorBytes < merging.step.tensorBytes)

    // What a whole step and one that is not use, of a model whose weights are read anew each time.
    let cache = PartCache(prefetches: false)
    let working = try self.renderer("wide", cache: cache, threads: 1)
    var denoising = try working.begin(request(DeepCache(interval: 2)))
    func used() throws -> [String] {
      cache.startTrace()
      _ = try working.advance(&denoising)
      return try #require(cache.trace).uses.map(\.part)
    }
    let (whole, shallow) = (try used(), try used())
    #expect(whole == denoising.plan.step.uses.map(\.key.description))
    #expect(shallow.count < whole.count / 3 && !shallow.contains { $0.contains("mid_block") })
    #expect(Set(shallow).isSubset(of: whole))
    #expect(try used() == whole)
  }

  /// Intervals of 1, and a share of 0, are as nothing, so that they can be compared with others.
  @Test func offIsAsWithout() throws {
    let renderer = try renderer("all-3x2")
    let off = request(DeepCache(interval: 1, branch: 47), TokenMerging(ratio: 0, downsample: 8))
    #expect(try latents(off, by: renderer) == latents(request(nil), by: renderer))
    let (plan, plain) = (try renderer.plan(off), try renderer.plan(request(nil)))
    #expect(plan.step.keptBytes == 0 && plan.step.tensorBytes == plain.step.tensorBytes)
    var denoising = try renderer.begin(off)
    for _ in 0..<3 { _ = try renderer.advance(&denoising) }
    #expect(ResumeState(denoising).wholeLatents == nil)
    var resumed = try renderer.begin(off)
    let state = renderer.resumeState(denoising, of: off, seal: seal)
    #expect(try renderer.restore(&resumed, from: state, of: off, seal: seal) && resumed.step == 3)
  }

  @Test func branchesThatAModelLacksAreRefused() throws {
    let renderer = try renderer()
    _ = try renderer.plan(request(DeepCache(interval: 2, branch: 8)))
    for branch in [9, 47] {
      do {
        _ = try renderer.begin(request(DeepCache(interval: 2, branch: branch)))
        Issue.record("branch \(branch) of three levels")
      } catch let error as RequestError {
        #expect("\(error)".contains("0 to 8"), "\(error)")
      }
    }
  }
}
