import Checkpoints
import Hub
import Requests
import Testing

/// What diffusers 0.42.1 takes of eight layouts of a repository in three ways to ask (measured with its own function),
/// and what is taken here: the same, but for pickles, and for half precision where there is nothing else.
struct FileSelectionTests {
  /// How diffusers was asked.
  enum Call: String, Sendable {
    case halfSafetensors = "fp16+safetensors"
    case plain
    case safetensors
  }

  /// What diffusers takes beside what it always takes.
  enum Measured: Sendable {
    case weights([String])
    case refusal
  }

  struct Case: Sendable, CustomTestStringConvertible {
    let layout: String
    let call: Call
    let measured: Measured
    var testDescription: String { "\(layout) | \(call.rawValue)" }
  }

  static let cases: [Case] = [
    Case(
      layout: "both", call: .halfSafetensors,
      measured: .weights([
        "text_encoder/model.fp16.safetensors", "unet/diffusion_pytorch_model.fp16.safetensors",
        "vae/diffusion_pytorch_model.fp16.safetensors",
      ])),
    Case(
      layout: "both", call: .plain,
      measured: .weights([
        "text_encoder/model.safetensors", "unet/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
      ])),
    Case(
      layout: "both", call: .safetensors,
      measured: .weights([
        "text_encoder/model.safetensors", "unet/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
      ])),
    Case(layout: "no-fp16", call: .halfSafetensors, measured: .refusal),
    Case(
      layout: "no-fp16", call: .plain,
      measured: .weights([
        "text_encoder/model.safetensors", "unet/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
      ])),
    Case(
      layout: "no-fp16", call: .safetensors,
      measured: .weights([
        "text_encoder/model.safetensors", "unet/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
      ])),
    Case(
      layout: "only-fp16", call: .halfSafetensors,
      measured: .weights([
        "text_encoder/model.fp16.safetensors", "unet/diffusion_pytorch_model.fp16.safetensors",
        "vae/diffusion_pytorch_model.fp16.safetensors",
      ])),
    Case(layout: "only-fp16", call: .plain, measured: .weights([])),
    Case(layout: "only-fp16", call: .safetensors, measured: .refusal),
    Case(layout: "only-bin", call: .halfSafetensors, measured: .refusal),
    Case(
      layout: "only-bin", call: .plain,
      measured: .weights([
        "text_encoder/pytorch_model.bin", "unet/diffusion_pytorch_model.bin",
        "vae/diffusion_pytorch_model.bin",
      ])),
    Case(layout: "only-bin", call: .safetensors, measured: .refusal),
    Case(
      layout: "unet-fp16", call: .halfSafetensors,
      measured: .weights([
        "text_encoder/model.safetensors", "unet/diffusion_pytorch_model.fp16.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
      ])),
    Case(
      layout: "unet-fp16", call: .plain,
      measured: .weights([
        "text_encoder/model.safetensors", "unet/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
      ])),
    Case(
      layout: "unet-fp16", call: .safetensors,
      measured: .weights([
        "text_encoder/model.safetensors", "unet/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
      ])),
    Case(layout: "bin-text", call: .halfSafetensors, measured: .refusal),
    Case(
      layout: "bin-text", call: .plain,
      measured: .weights([
        "text_encoder/pytorch_model.bin", "unet/diffusion_pytorch_model.bin",
        "vae/diffusion_pytorch_model.bin",
      ])),
    Case(layout: "bin-text", call: .safetensors, measured: .refusal),
    Case(layout: "sharded", call: .halfSafetensors, measured: .refusal),
    Case(
      layout: "sharded", call: .plain,
      measured: .weights([
        "text_encoder/model.safetensors", "unet/diffusion_pytorch_model-00001-of-00002.safetensors",
        "unet/diffusion_pytorch_model-00002-of-00002.safetensors",
        "unet/diffusion_pytorch_model.safetensors.index.json", "vae/diffusion_pytorch_model.safetensors",
      ])),
    Case(
      layout: "sharded", call: .safetensors,
      measured: .weights([
        "text_encoder/model.safetensors", "unet/diffusion_pytorch_model-00001-of-00002.safetensors",
        "unet/diffusion_pytorch_model-00002-of-00002.safetensors",
        "unet/diffusion_pytorch_model.safetensors.index.json", "vae/diffusion_pytorch_model.safetensors",
      ])),
    Case(layout: "ema", call: .halfSafetensors, measured: .refusal),
    Case(
      layout: "ema", call: .plain,
      measured: .weights([
        "text_encoder/model.safetensors", "unet/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
      ])),
    Case(
      layout: "ema", call: .safetensors,
      measured: .weights([
        "text_encoder/model.safetensors", "unet/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
      ])),
  ]

  @Test(arguments: cases)
  func asDiffusers(_ row: Case) throws {
    let weights = try #require(Self.layouts[row.layout])
    let selection = try Self.selection(Self.common + weights)
    let chosen = Result {
      try selection.model(index: Self.index, weights: row.call == .halfSafetensors ? .half : .plain)
    }
    let taken = try? chosen.get().map(\.path).filter { !Self.always.contains($0) }
    if case .success(let files) = chosen {
      #expect(Self.always.allSatisfy { path in files.contains { $0.path == path } })
    }
    switch row.measured {
    case .weights(let wanted) where wanted.contains { $0.hasSuffix(".bin") }:
      // diffusers would read pickles.
      #expect(throws: HubError.self) { try chosen.get() }
    case .weights([]):
      // It loads a model without any weights; half precision is better than none.
      #expect(taken == weights.filter { $0.contains("fp16") }.sorted())
    case .weights(let wanted): #expect(taken == wanted.sorted())
    case .refusal:
      // It says that there is nothing of what was asked for: the reference then asks for plain ones.
      let pickled = ["text_encoder", "unet", "vae"].contains { part in
        !weights.contains { $0.hasPrefix(part) && $0.hasSuffix(".safetensors") }
      }
      #expect((taken == nil) == pickled)
      if let taken { #expect(taken.allSatisfy { $0.contains(".safetensors") }) }
    }
  }

  private static let index = JSONValue.object([
    "_class_name": .string("StableDiffusionPipeline"),
    "unet": .array([.string("diffusers"), .string("UNet2DConditionModel")]),
    "vae": .array([.string("diffusers"), .string("AutoencoderKL")]),
    "text_encoder": .array([.string("transformers"), .string("CLIPTextModel")]),
    "tokenizer": .array([.string("transformers"), .string("CLIPTokenizer")]),
    "scheduler": .array([.string("diffusers"), .string("DDIMScheduler")]),
    "safety_checker": .array([.null, .null]),
  ])

  private static func selection(_ paths: [String]) throws -> FileSelection {
    let id = try #require(RepositoryID("a/b"))
    let zeros = String(repeating: "0", count: 40)
    return FileSelection(
      id,
      files: try paths.map { try #require(RemoteFile(path: $0, size: 1, gitName: zeros, sha256: nil)) })
  }

  @Test func pickledTextEncoderIsNamed() throws {
    let selection = try Self.selection(Self.common + (Self.layouts["bin-text"] ?? []))
    let error = #expect(throws: HubError.self) { try selection.model(index: Self.index, weights: .plain) }
    #expect(error == .pickled(selection.id, component: "text_encoder", file: "pytorch_model.bin"))
  }

  @Test func ignoredFilesAreLeftOut() throws {
    guard case .object(var members) = Self.index else { return }
    members["_ignore_files"] = .array([.string("unet/diffusion_pytorch_model.safetensors")])
    let selection = try Self.selection(Self.common + (Self.layouts["both"] ?? []))
    let chosen = try selection.model(index: .object(members), weights: .plain).map(\.path)
    #expect(chosen.contains("unet/diffusion_pytorch_model.fp16.safetensors"))
    #expect(!chosen.contains("unet/diffusion_pytorch_model.safetensors"))
  }

  @Test func aLoRAIsTheOneFileThatCanBeMeant() throws {
    #expect(
      try Self.selection(["a.safetensors", "pytorch_lora_weights.safetensors"]).adapter().path.hasPrefix(
        "pytorch"))
    #expect(
      try Self.selection(["README.md", "x.safetensors", "optimizer.safetensors"]).adapter().path
        == "x.safetensors")
    #expect(throws: HubError.self) { try Self.selection(["a.safetensors", "b.safetensors"]).adapter() }
    #expect(throws: HubError.self) { try Self.selection(["a.bin"]).adapter() }
  }

  @Test(arguments: [
    "a/../b", "/a", "a//b", "a\\b", "..", "../\u{301}x", "\u{600}/../\u{301}x", "a/\u{1}",
    String(repeating: "x", count: 256),
  ])
  func hostileNamesAreRefused(path: String) throws {
    let zeros = String(repeating: "0", count: 40)
    let file = try #require(RemoteFile(path: path, size: 1, gitName: zeros, sha256: nil))
    #expect(throws: HubError.self) { try file.check() }
  }
}
