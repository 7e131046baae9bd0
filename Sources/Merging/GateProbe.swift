import Diffusion
import Requests
import Synchronization
import Tensors
import WeightCache

/// How gates are computed: the reference's `get_hidden_states`, with a seed.
package struct GateSettings: Sendable, Equatable {
  /// Seeds the noise anew before each expert.
  package var seed: UInt64
  /// DDPM steps.
  package var steps: Int
  /// Pixels; nil: the size the expert's UNet was trained at.
  package var size: PixelSize?

  package init(seed: UInt64 = 0, steps: Int = 25, size: PixelSize? = nil) {
    self.seed = seed
    self.steps = steps
    self.size = size
  }
}

/// Finds the inputs of an expert's layers while it renders its own prompt.
struct GateProbe: Sendable {
  private let settings: GateSettings
  private let compute: Compute
  private let governor: MemoryGovernor
  private let memory: Int

  /// - Parameters:
  ///   - settings: seed, steps and size.
  ///   - compute: where it renders.
  ///   - governor: the governor of the cache that all experts' weights are in.
  ///   - memory: bytes that the process should not exceed. Weights that do not fit are read again in each step. More
  ///     is taken only if a step of one expert needs it.
  init(_ settings: GateSettings, compute: Compute, governor: MemoryGovernor, memory: Int) {
    self.settings = settings
    self.compute = compute
    self.governor = governor
    self.memory = memory
  }

  /// Limits the process to `memory`, or to the least that the request needs, plus room for what plans do not count.
  private func limit(_ model: DiffusionModel, _ request: PictureRequest) throws {
    let planning = Renderer(model: model, pass: ForwardPass(compute: compute), governor: governor)
    governor.limit(to: max(memory, try planning.plan(request).smallest + Self.besidePlans))
  }

  /// Bytes for the program itself, its stacks and short-lived objects.
  private static let besidePlans = 1 << 29

  /// Renders the expert's prompt with its own model up to the last step. The mean input of each layer in that step,
  /// divided by its length, is the expert's row of the layer's gate.
  /// - Parameters:
  ///   - model: the expert's model.
  ///   - prompt: what the expert is for.
  ///   - negativePrompt: what the expert is not for.
  ///   - layers: paths of the covered layers.
  ///   - report: called after each step.
  /// - Returns: a vector per layer.
  /// - Throws: `MergeError.unseen` if a layer never ran, and what rendering throws.
  func gateRows(
    model: DiffusionModel, prompt: String, negativePrompt: String, layers: [String],
    report: (_ step: Int, _ steps: Int) throws -> Void
  ) throws -> [String: [Float]] {
    let wanted = Set(layers)
    let rows = RowStore()
    let size = settings.size ?? model.defaultSize
    var request = PictureRequest(
      prompt: prompt, negativePrompt: negativePrompt, width: size.width, height: size.height,
      steps: settings.steps,
      guidance: model.family.defaultGuidance, scheduler: .ddpm,
      seed: settings.seed)
    // Nothing is decoded, so the decode is planned as small as can be.
    request.memoryBudget = ByteCount(bytes: 1)
    try limit(model, request)
    let observing = Renderer(
      model: model,
      pass: ForwardPass(compute: compute) { path, input in
        if wanted.contains(path) { rows.set(path, Self.row(input)) }
      }, governor: governor)
    let plain = Renderer(model: model, pass: ForwardPass(compute: compute), governor: governor)
    // Keys and values of the prompt are projected at the start; all other inputs are taken at the last step.
    var denoising = try observing.begin(request)
    while denoising.step < denoising.steps {
      try report(denoising.step, denoising.steps)
      let last = denoising.step == denoising.steps - 1
      _ = try (last ? observing : plain).advance(&denoising)
    }
    let found = rows.all
    if let missing = layers.first(where: { found[$0] == nil }) { throw MergeError.unseen(layer: missing) }
    return found
  }

  /// The mean over the sequence of the last batch row (the conditional one), at unit length.
  static func row(_ input: Tensor) -> [Float] {
    let width = input.shape[input.shape.count - 1]
    let length = input.shape[1]
    var mean = [Double](repeating: 0, count: width)
    input.withUnsafe { values in
      let start = (input.shape[0] - 1) * length * width
      for position in 0..<length {
        for channel in 0..<width { mean[channel] += Double(values[start + position * width + channel]) }
      }
    }
    for channel in 0..<width { mean[channel] /= Double(length) }
    let norm = max(1e-8, mean.reduce(0) { $0 + $1 * $1 }.squareRoot())
    return mean.map { Float($0 / norm) }
  }
}

/// Vectors by layer, written from inside a forward pass.
private final class RowStore: Sendable {
  private let rows = Mutex<[String: [Float]]>([:])

  var all: [String: [Float]] { rows.withLock { $0 } }

  func set(_ path: String, _ row: [Float]) { rows.withLock { $0[path] = row } }
}
