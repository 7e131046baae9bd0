import Checkpoints
import Diffusion
import Foundation
import GoldenModels
import Requests
import Tensors
import TestSupport
import Testing
import WeightCache

/// What of a model is in memory when: parts whose time is over leave, parts that two merges have in common are
/// there once.
@Suite struct HeldPartTests {
  private let request = PictureRequest(prompt: "a cat", width: 64, height: 64, steps: 3, seed: 5)

  /// Text encoders leave after encoding, and experts that project the text once that is done: with just the
  /// room for a step nothing of a step is read twice.
  @Test func whatEncodesTheTextLeaves() throws {
    let parts = try Golden.ModelParts("all-3x2")
    let pass = ForwardPass(compute: Compute(threads: 2))
    let free = PartCache(prefetches: false)
    free.startTrace()
    _ = try Renderer(model: parts.load(cache: free), pass: pass).render(request)
    let trace = try #require(free.trace)
    func isOfTheText(_ part: String) -> Bool { part.contains("text_model") || part.contains("attn2.to_k") }
    #expect(trace.uses.contains { $0.step == nil && $0.part.contains("text_model") })
    #expect(trace.uses.contains { $0.step == nil && $0.part.contains("attn2.to_k") })
    #expect(!trace.uses.contains { $0.step != nil && isOfTheText($0.part) })

    // Room for what the first step uses, and for the next part.
    let first = trace.uses.filter { $0.step == 1 }
    let sizes = Dictionary(first.map { ($0.part, $0.bytes) }) { $1 }
    let room = sizes.values.reduce(0, +) + (sizes.values.max() ?? 0)
    let cache = PartCache(budget: room, prefetches: false)
    let ledger = CacheLedger()
    let renderer = Renderer(
      model: try parts.load(cache: cache), pass: ForwardPass(compute: Compute(threads: 2), ledger: ledger))
    var denoising = try renderer.begin(request)
    #expect(cache.keys.contains { isOfTheText($0.path) })
    _ = try renderer.advance(&denoising)
    let held = Set(cache.keys.map(\.description))
    #expect(held.isSuperset(of: sizes.keys))
    #expect(cache.byteCount <= room)
    let before = ledger.counts.misses
    _ = try renderer.advance(&denoising)
    let second = Set(trace.uses.filter { $0.step == 2 }.map(\.part))
    #expect(ledger.counts.misses - before == second.subtracting(sizes.keys).count)
  }

  /// A merge that differs from the other in its third expert.
  private final class OtherMerge {
    private let folder: TemporaryFolder
    var path: String { folder.path }

    init(than model: String) throws {
      folder = try TemporaryFolder()
      try GoldenParts.assemble(model, at: folder.path, as: .copies)
      let file = URL(fileURLWithPath: path + "/unet/diffusion_pytorch_model.safetensors")
      var data = try Data(contentsOf: file)
      let length = data[0..<8].enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) }
      let header = try #require(
        try JSONSerialization.jsonObject(with: data[8..<8 + length]) as? [String: Any])
      for (name, entry) in header where name.contains(".experts.2.") {
        let offsets = try #require((entry as? [String: Any])?["data_offsets"] as? [Int])
        // A high bit of the fraction of a little-endian float, which all precisions keep, in all of them.
        for place in stride(from: 8 + length + offsets[0], to: 8 + length + offsets[1], by: 4) {
          data[place + 2] ^= 0x40
        }
      }
      try data.write(to: file)
    }
  }

  @Test(arguments: [Precision.f32, .bf16, .int8]) func expertsInCommonAreThereOnce(precision: Precision)
    throws
  {
    let parts = try Golden.ModelParts("all-3x2")
    let other = try OtherMerge(than: "all-3x2")
    let pass = ForwardPass(compute: Compute(threads: 2))
    let cache = PartCache()
    func load(_ path: String, _ cache: PartCache) throws -> DiffusionModel {
      try DiffusionModel(folder: ModelFolder(path: path), cache: cache, precision: precision)
    }
    let (one, two) = (try load(parts.path, cache), try load(other.path, cache))
    #expect(one.cacheName != two.cacheName)
    _ = try Renderer(model: one, pass: pass).render(request)
    let alone = cache.byteCount
    let paths = Set(cache.keys.map(\.path))
    let picture = try Renderer(model: two, pass: pass).render(request)
    // Of the second there is its own expert, where that is used, and parts that the first had no use for.
    let added = cache.keys.filter { $0.model.hasPrefix(two.cacheName) }
    #expect(added.contains { $0.path.contains(".experts.2") })
    let shared = added.filter { !$0.path.contains(".experts.2") && paths.contains($0.path) }
    #expect(shared.isEmpty, "\(shared.map(\.path).sorted())")
    #expect(cache.byteCount < alone + alone / 2)
    #expect(
      try picture == Renderer(model: load(other.path, PartCache()), pass: pass).render(request))
    // And the first goes on with what they share when the second is gone, and the other way round.
    let before = try Renderer(model: one, pass: pass).render(request)
    cache.removeAll(model: one.cacheName)
    #expect(try Renderer(model: two, pass: pass).render(request) == picture)
    cache.removeAll(model: two.cacheName)
    #expect(cache.byteCount == 0)
    #expect(try Renderer(model: one, pass: pass).render(request) == before)
  }
}
