import ArgumentParser
import Checkpoints
import CommandLine
import Diffusion
import Foundation
import Merging

/// Writes random models of real size.
struct SynthCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "synth", abstract: "Write a model of real size with random weights, for measuring.")

  @Argument(help: "sd15, sdxl, segmoe-sd-4x2 or segmoe-sdxl-4x2.")
  var kind: String

  @Argument(help: "The folder to make. It must not exist.")
  var output: String

  @Option(help: "f32, f16 or bf16.")
  var dtype = "f16"

  @Option(help: "Seed of the weights.")
  var seed: UInt64 = 0

  func run() throws {
    guard let preset = ModelPreset(rawValue: kind) else {
      let known = ModelPreset.allCases.map(\.rawValue).joined(separator: ", ")
      throw Problem.usage("synth \(kind) is not built into this version; choose one of \(known)")
    }
    guard let type = ["f32": StoredType.float32, "f16": .float16, "bf16": .bfloat16][dtype] else {
      throw Problem.usage("--dtype \(dtype) is unknown; use f32, f16 or bf16")
    }
    guard !FileManager.default.fileExists(atPath: output) else { throw MergeError.outputExists(path: output) }
    let folder = try PartialFolder(for: output)
    do {
      try SyntheticModel(preset, type: type, seed: seed).write(to: folder.path)
      try folder.publish()
    } catch {
      folder.discard()
      throw error
    }
  }
}
