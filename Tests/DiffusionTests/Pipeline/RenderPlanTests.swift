import Checkpoints
import Diffusion
import Foundation
import GoldenModels
import Images
import Requests
import Tensors
import TestSupport
import Testing
import WeightCache

/// What a render is planned to take is what it takes; what does not fit goes in tiles; and none of it shows.
@Suite(.serialized) struct RenderPlanTests {
  @Test(arguments: [Precision.f32, .bf16, .int8]) func planGrowsWithThePicture(precision: Precision) throws {
    let model = try Golden.ModelParts("all-3x2").load(precision: precision)
    let renderer = Renderer(model: model, pass: ForwardPass(compute: Compute(threads: 1)))
    func plan(_ edge: Int, guidance: Double = 7) throws -> RenderPlan {
      try renderer.plan(
        PictureRequest(prompt: "a", width: edge, height: edge, steps: 2, guidance: guidance))
    }
    let (small, large) = (try plan(128), try plan(1024))
    // 64 times the pixels; scratch of fixed size aside.
    #expect(large.step.tensorBytes > small.step.tensorBytes + (8 << 20))
    #expect(large.decoding.tensorBytes > 8 * small.decoding.tensorBytes)
    #expect(small.step.uses.count == large.step.uses.count && small.text.keptBytes > 0)
    #expect(try plan(128, guidance: 1).step.tensorBytes < small.step.tensorBytes)
    // The order of the parts is that of a real step.
    let cache = PartCache(prefetches: false)
    let real = try Golden.ModelParts("all-3x2").load(cache: cache, precision: precision)
    let ledger = CacheLedger()
    let working = Renderer(
      model: real, pass: ForwardPass(compute: Compute(threads: 1), ledger: ledger))
    var denoising = try working.begin(
      PictureRequest(prompt: "a", width: 128, height: 128, steps: 2, guidance: 7))
    cache.startTrace()
    _ = try working.advance(&denoising)
    let used = try #require(cache.trace).uses.map { Self.withoutExpert($0.part) }
    #expect(used == small.step.uses.map { Self.withoutExpert($0.key.description) })
    #expect(used.count > 50)
  }

  /// A picture to start from has a phase of its own, which grows with it and counts in the smallest budget.
  @Test func theEncoderIsPlanned() throws {
    let model = try Golden.ModelParts("base").load()
    let renderer = Renderer(model: model, pass: ForwardPass(compute: Compute(threads: 1)))
    func plan(_ edge: Int, from source: SourcePicture?) throws -> RenderPlan {
      var request = PictureRequest(prompt: "a", width: edge, height: edge, steps: 2)
      request.source = source
      return try renderer.plan(request)
    }
    let source = try SourcePicture(
      imageFile: Places.golden("images/picture.png"), maskFile: nil, width: 128, height: 128)
    #expect(try plan(128, from: nil).encoding == nil)
    let small = try plan(128, from: source)
    let (encoding, large) = (try #require(small.encoding), try plan(512, from: source))
    #expect(encoding.uses.count > 5)
    // Columns of convolutions are made in pieces of a fixed size: less than the area's factor of 16.
    #expect((large.encoding?.tensorBytes ?? 0) > 2 * encoding.tensorBytes)
    #expect(large.smallest >= large.text.keptBytes + (large.encoding?.tensorBytes ?? .max))
  }

  /// `….experts.2` without the number: which expert a step takes no plan knows.
  static func withoutExpert(_ part: String) -> String {
    part.replacing(/experts\.\d+/, with: "experts")
  }

  @Test func aBudgetThatIsTooSmallNamesOneThatWillDo() throws {
    let model = try Golden.ModelParts("base").load()
    let request = PictureRequest(prompt: "a", width: 128, height: 128, steps: 2)
    func governor(_ bytes: Int) -> MemoryGovernor {
      MemoryGovernor(budget: MemoryBudget(bytes: bytes), cache: model.cache)
    }
    let renderer = Renderer(
      model: model, pass: ForwardPass(compute: Compute(threads: 1)), governor: governor(1 << 20))
    do {
      _ = try renderer.begin(request)
      Issue.record("1 MiB is enough for a process?")
    } catch MemoryError.budget(let bytes, let smallest) {
      #expect(bytes == 1 << 20 && smallest > 32 << 20)
      // Other tests come and go in this process: some room for them.
      let enough = Renderer(
        model: model, pass: ForwardPass(compute: Compute(threads: 1)),
        governor: governor(smallest + (4 << 30)))
      _ = try enough.begin(request)
    }
  }

  /// Every policy and budget of the cache, with and without reading ahead: the same bytes.
  @Test func neitherPolicyNorBudgetShows() throws {
    let request = PictureRequest(
      prompt: "a cat", width: 128, height: 64, steps: 3, scheduler: .euler, seed: 3)
    func image(_ cache: PartCache) throws -> RGBImage {
      let renderer = Renderer(
        model: try Golden.ModelParts("all-3x2").load(cache: cache),
        pass: ForwardPass(compute: Compute(threads: 2)))
      return try renderer.render(request)
    }
    let plain = try image(PartCache(prefetches: false))
    for policy in CachePolicy.allCases {
      for budget in [0, 30_000, 150_000, 600_000, .max] {
        #expect(try image(PartCache(budget: budget, policy: policy)) == plain, "\(policy) \(budget)")
      }
    }
  }

  /// The edge of a picture's tiles follows from the budget, or from what the machine has without one.
  @Test(arguments: [Precision.f32, .bf16]) func onlyTheBudgetDecidesOnTiles(precision: Precision) throws {
    let model = try Golden.ModelParts("base").load(precision: precision)
    func tile(
      _ budget: MemoryBudget?, asked: Int? = nil, threads: Int = 1
    ) throws -> Int? {
      let renderer = Renderer(
        model: model, pass: ForwardPass(compute: Compute(threads: 1, taskThreads: threads)),
        governor: MemoryGovernor(budget: budget, cache: model.cache))
      var request = PictureRequest(prompt: "a", width: 1024, height: 1024, steps: 2)
      request.memoryBudget = asked.map { ByteCount(bytes: $0) }
      return try renderer.plan(request).tile
    }
    let plan = try Renderer(model: model, pass: ForwardPass(compute: Compute(threads: 1)))
      .plan(PictureRequest(prompt: "a", width: 1024, height: 1024, steps: 2))
    let whole = plan.decoding.smallest
    let enough = whole + plan.text.keptBytes + MemoryBudget.usual
    let budgets = [enough - whole / 6, enough - 1, enough]
    let edges = try budgets.map { try tile(MemoryBudget(bytes: $0)) }
    #expect(edges[2] == nil && edges[1] != nil && edges[0] ?? .max <= edges[1] ?? 0)
    // What others hold, such as factors of a loaded model's LoRAs.
    let loaded = Tensor(shape: [100, 1 << 20], repeating: 1)
    let beside = try withExtendedLifetime(loaded) { try budgets.map { try tile(MemoryBudget(bytes: $0)) } }
    #expect(beside == edges)
    for (budget, edge) in zip(budgets, edges) {
      for threads in [2, 24, 192] {
        #expect(try tile(MemoryBudget(bytes: budget), threads: threads) == edge, "\(threads) threads")
      }
      // The same asked for by a job, whatever is left of the machine.
      for available in [100 << 20, 16 << 30] {
        let machine = MemoryBudget.machine(available: available, resident: 0, total: 32 << 30)
        #expect(try tile(machine, asked: budget) == edge)
        #expect(try tile(machine) == nil, "\(available) bytes are left")
      }
    }
    let small = MemoryBudget.machine(available: 100 << 20, resident: 0, total: 512 << 20)
    #expect(try tile(small) != nil && tile(nil) == nil)
  }

  /// The latents of a picture: the demo model's, larger than it was trained for.
  static func drawn(_ model: DiffusionModel, _ pass: ForwardPass, edge: Int) throws -> Tensor {
    let renderer = Renderer(model: model, pass: pass)
    var denoising = try renderer.begin(
      PictureRequest(prompt: "red heart", width: edge, height: edge, steps: 3, scheduler: .ddim, seed: 4))
    while try renderer.advance(&denoising) {}
    return denoising.latents
  }

  /// Tiles against the whole: seams that nobody sees.
  @Test func tilesAgainstTheWhole() throws {
    let edge = 48
    let model = try DiffusionModel(
      folder: ModelFolder(path: Places.inRepository("demo/base")), cache: PartCache())
    let pass = ForwardPass(compute: Compute(threads: 2))
    let decoder = model.decoder
    let latents = try Self.drawn(model, pass, edge: 72 * decoder.pixelsPerLatent)
    let whole = try decoder(latents, undoingNormalization: false, pass)
    let tiling = TiledDecoding(edge: edge)
    #expect(tiling.spans(72).count > 1 && tiling.spans(72).last?.upperBound == 72)
    let tiled = try tiling.decode(latents, decoder, undoingNormalization: false, pass)
    #expect(tiled.shape == whole.shape)
    let levels = zip(tiled.values, whole.values).map { abs(Double($0) - Double($1)) * 127.5 }
    let mean = levels.reduce(0, +) / Double(levels.count)
    print("tiles of \(edge): mean \(mean) max \(levels.max() ?? 0) levels")
    #expect(mean > 0 && mean <= 0.5)
    // And the plan says that they take less.
    let (one, many) = (PassPlan(on: pass.compute), PassPlan(on: pass.compute))
    _ = try decoder(Tensor(meta: latents.shape), undoingNormalization: false, ForwardPass(planning: one))
    _ = try tiling.decode(
      Tensor(meta: latents.shape), decoder, undoingNormalization: false, ForwardPass(planning: many))
    #expect(many.tensorBytes < one.tensorBytes)
  }
}
