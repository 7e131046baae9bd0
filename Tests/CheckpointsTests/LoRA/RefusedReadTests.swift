import CKernels
import Checkpoints
import Synchronization
import Tensors
import TestSupport
import Testing

#if compiler(>=6.2)
  /// Reads that the system refuses memory. Refusals count for the whole process, and other tests watch for them, so these
  /// tests have processes of their own.
  @Suite struct RefusedReadTests {
    private static let folder = Places.golden("loras/families")

    /// A weight whose reads get garbage while the system refuses memory.
    private final class Refusals: WeightPatch {
      private let areOn = Mutex(false)

      func set(_ areOn: Bool) { self.areOn.withLock { $0 = areOn } }

      func apply(
        to values: UnsafeMutableBufferPointer<Float>, elements: Range<Int>, of weight: StoredTensor
      ) throws {
        guard areOn.withLock({ $0 }) else { return }
        // More than any reserve: nothing but the count of refusals changes.
        #expect(segmoe_memory_take_reserve(.max) == nil)
        values.update(repeating: 7)
      }
    }

    /// What garbage looks like is nobody's fault: a file must not be called damaged for it.
    @Test func errorsAfterARefusalAreTheRefusal() async {
      await #expect(processExitsWith: .success) {
        let damage = CheckpointError.malformed(path: "a", reason: "not finite")
        #expect(throws: MemoryRefusal()) {
          try MemoryRefusal.check {
            #expect(segmoe_memory_take_reserve(.max) == nil)
            throw damage
          }
        }
        #expect(throws: damage) { try MemoryRefusal.check { throw damage } }
      }
    }

    /// The factors of a DoRA are computed once, at the first read.
    @Test func theNextReadIsRight() async {
      await #expect(processExitsWith: .success) {
        let file = try SafetensorsFile(path: Self.folder + "/base.safetensors")
        let refusals = Refusals()
        let base = try Weights(files: [file], path: file.path)
        let changed = base.patched(Dictionary(uniqueKeysWithValues: base.names.map { ($0, [refusals]) }))
        for name in ["dora-of-outputs", "dora-of-inputs", "dora-of-loha"] {
          func fused() throws -> Weights {
            let lora = try LoRAFile(path: "\(Self.folder)/\(name).safetensors")
            return try #require(try lora.apply(to: [.unet: changed], weight: 0.7)[.unet])
          }
          let (undisturbed, disturbed) = (try fused(), try fused())
          var fusedCount = 0
          for weight in base.names {
            let stored = try disturbed.stored(weight)
            refusals.set(true)
            #expect(throws: MemoryRefusal()) { try MemoryRefusal.check { try stored.read() } }
            refusals.set(false)
            let wanted = try undisturbed.stored(weight).read().values
            #expect(try stored.read().values == wanted, "\(name): \(weight)")
            if wanted != (try base.stored(weight).read().values) { fusedCount += 1 }
          }
          #expect(fusedCount == 4, "\(name)")
        }
      }
    }
  }
#endif
