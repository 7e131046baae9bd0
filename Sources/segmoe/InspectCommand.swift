import ArgumentParser
import Boundary
import Checkpoints
import CommandLine
import Diffusion
import Foundation
import Requests
import Tensors

/// Shows what a model is.
struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect", abstract: "Show what a model is, without loading its weights.")

  @Argument(help: "A model folder, a .safetensors file, or a model of a hub (owner/name).")
  var model: String

  @Flag(help: "Print JSON.")
  var json = false

  func run() throws {
    let summary = try ModelSummary(ModelPath(SourcePulls().path(model, for: .model)).open())
    if json {
      print(try JSONOutput.text(summary))
    } else {
      print(summary.table)
    }
  }
}

/// The output of `inspect`.
struct ModelSummary: Encodable {
  let path: String
  let type: String
  /// `AxB`: experts, and experts per call.
  let mixture: String?
  let mixtureLayers: String?
  let sparseLayers: Int
  let parameters: Int
  let bytes: Int
  let denseBytes: Int
  let bytesPerExpert: [Int]
  let latentChannels: Int
  let pixelsPerLatent: Int
  let size: Int
  let scheduler: String
  let predictionType: String
  let schedulers: [String]
  /// The instructions for products of reduced precision on this machine, and any that gave wrong numbers when tried.
  let instructions: String
  let failedInstructions: String?
  /// The default precision.
  let precision: String

  init(_ folder: any ModelFiles) throws {
    let shape = try UNetConfiguration(folder.config(for: "unet"))
    let latents = try LatentShape(folder.config(for: "vae"))
    let noise = try SchedulerConfiguration(folder.config(for: "scheduler"))
    var (parameters, bytes) = (0, 0)
    let family = try ModelFamily(folder)
    for component in ["unet", "text_encoder", "text_encoder_2", "vae"] where folder.has(component) {
      for tensor in try folder.weights(for: component).tensors.values {
        parameters += tensor.count
        bytes += tensor.byteCount
      }
    }
    var perExpert = [Int](repeating: 0, count: shape.mixture?.experts ?? 0)
    var gates = 0
    for (name, tensor) in try folder.weights(for: "unet").tensors {
      if name.hasSuffix(".gate.weight") { gates += 1 }
      let parts = name.split(separator: ".")
      if let place = parts.firstIndex(of: "experts"), place + 1 < parts.count,
        let index = Int(parts[place + 1]), perExpert.indices.contains(index)
      {
        perExpert[index] += tensor.byteCount
      }
    }
    path = folder.path
    type = (shape.mixture == nil ? "" : "segmoe-") + family.rawValue
    mixture = shape.mixture.map { "\($0.experts)x\($0.expertsPerCall)" }
    mixtureLayers = shape.mixture?.layers.rawValue
    sparseLayers = gates
    self.parameters = parameters
    self.bytes = bytes
    denseBytes = bytes - perExpert.reduce(0, +)
    bytesPerExpert = perExpert
    latentChannels = latents.channels
    pixelsPerLatent = latents.pixels
    size = shape.sampleSize * latents.pixels
    scheduler = try SchedulerName(own: noise).rawValue
    predictionType = noise.prediction.rawValue
    schedulers = SchedulerName.allCases.map(\.rawValue)
    instructions = ProductInstructions.inUse
    failedInstructions = ProductInstructions.failed
    precision = Precision.preferred.rawValue
  }

  /// One fact per line.
  var table: String {
    var rows = [("path", path), ("type", type)]
    if let mixture, let mixtureLayers {
      rows.append(("mixture", "\(mixture), layers \(mixtureLayers), \(sparseLayers) sparse layers"))
    }
    rows.append(("parameters", "\(parameters)"))
    rows.append(("bytes", "\(bytes), \(denseBytes) of them dense"))
    for (index, bytes) in bytesPerExpert.enumerated() { rows.append(("expert \(index)", "\(bytes) bytes")) }
    rows.append(
      (
        "trained at",
        "\(size)x\(size), \(latentChannels) latent channels of \(pixelsPerLatent)x\(pixelsPerLatent) pixels"
      ))
    rows.append(("scheduler", "\(scheduler), predicts \(predictionType)"))
    rows.append(("schedulers", schedulers.joined(separator: " ")))
    let failed = failedInstructions.map { "; \($0) gave wrong products and is not used" } ?? ""
    rows.append(
      ("precision", "\(precision) unless asked otherwise; reduced ones by \(instructions)\(failed)"))
    return rows.map { $0.0.padding(toLength: 12, withPad: " ", startingAt: 0) + PlainText.line($0.1) }.joined(
      separator: "\n")
  }
}
