import Checkpoints
import Foundation
import Tensors
import TestSupport
import Testing

/// The real `segmoe unet`, by which Benchmarks/agreement compares calls with torch.
@Suite struct UNetCommandTests {
  /// Runs it on the tensors given; the error output if it fails, else the result.
  private func call(
    _ inputs: [(String, Tensor)]
  ) throws -> (result: Tensor?, code: Int32, errors: String) {
    let place = try TemporaryFolder()
    let folder = place.path
    defer { withExtendedLifetime(place) {} }
    let writer = try SafetensorsWriter(
      path: folder + "/in.safetensors",
      tensors: inputs.map { .init(name: $0.0, type: .float32, shape: $0.1.shape) })
    for (name, tensor) in inputs { try writer.append(tensor, name: name) }
    try writer.finish()
    let outcome = try Outcome(
      of: "segmoe",
      [
        "unet", Places.golden("model/base"), folder + "/in.safetensors", folder + "/out.safetensors",
        "--precision", "f32", "--threads", "2",
      ])
    guard outcome.code == 0 else { return (nil, outcome.code, outcome.errors) }
    return (
      try SafetensorsFile(path: folder + "/out.safetensors")["noise"]?.read(), 0, outcome.errors
    )
  }

  private func golden(_ name: String) throws -> Tensor {
    let file = try SafetensorsFile(path: Places.golden("numbers/unet-base.safetensors"))
    return try #require(file[name]).read()
  }

  /// What it writes is torch's result, in torch's order.
  @Test func sameAsTorch() throws {
    let timestep = Tensor(shape: [1], values: [21])
    let result = try call([
      ("latents", try golden("odd.sample")), ("states", try golden("states")), ("timestep", timestep),
    ])
    let (found, wanted) = (try #require(result.result), try golden("odd.output"))
    #expect(found.shape == wanted.shape)
    let difference = zip(found.values, wanted.values).reduce(0.0) { $0 + pow(Double($1.0 - $1.1), 2) }
    let size = wanted.values.reduce(0.0) { $0 + pow(Double($1), 2) }
    #expect((difference / size).squareRoot() < 1e-5)
  }

  @Test func inputsThatDoNotFitAreNamed() throws {
    let (latents, states) = (try golden("odd.sample"), try golden("states"))
    let timestep = Tensor(shape: [1], values: [21])
    let wrong: [([(String, Tensor)], String)] = [
      ([("latents", latents), ("states", states)], "timestep"),
      ([("latents", states), ("states", states), ("timestep", timestep)], "latents"),
      ([("latents", latents), ("states", states), ("timestep", Tensor(shape: [2]))], "one timestep"),
      (
        [("latents", Tensor(shape: [2, 5, 8, 8])), ("states", states), ("timestep", timestep)], "4 channels"
      ),
      ([("latents", latents), ("states", Tensor(shape: [2, 77, 8])), ("timestep", timestep)], "width 32"),
    ]
    for (inputs, word) in wrong {
      let outcome = try call(inputs)
      #expect(outcome.code == 65 && outcome.errors.contains(word), "\(outcome)")
    }
  }
}
