import Checkpoints
import Requests

/// Chooses the files of a repository that are fetched: those that diffusers would fetch (`DiffusionPipeline.download`,
/// `variant_compatible_siblings`), but only for the components that are used here, and never a pickle.
package struct FileSelection: Sendable {
  /// Which weights are preferred if a model has several.
  package enum Weights: Sendable {
    /// Full precision. Components that have only half precision are taken in that.
    case plain
    /// Half precision, for merging. Components that have only full precision are taken in that.
    case half
  }

  package let id: RepositoryID
  let files: [RemoteFile]

  /// The files of a repository to choose from.
  package init(_ id: RepositoryID, files: [RemoteFile]) {
    self.id = id
    self.files = files
  }

  private static let networks = ["unet", "vae", "text_encoder", "text_encoder_2"]
  private static let folders = ["scheduler", "tokenizer", "tokenizer_2"]
  static let index = "model_index.json"

  /// The files of a model.
  /// - Parameters:
  ///   - index: the content of `model_index.json`.
  ///   - weights: which form of weights is preferred.
  /// - Throws: `HubError.pickled`, `HubError.noWeights`, `HubError.noModel`.
  package func model(index: JSONValue, weights: Weights) throws(HubError) -> [RemoteFile] {
    guard case .object(let members) = index else { throw .noModel(id, files: []) }
    let parts = members.filter { Self.isPart($0.value) }.keys
    var ignored: Set<String> = []
    if case .array(let names) = members["_ignore_files"] {
      ignored = Set(names.compactMap { if case .string(let name) = $0 { name } else { nil } })
    }
    let offered = files.filter { !ignored.contains($0.path) }
    var chosen = offered.filter { $0.path == Self.index }
    for part in Self.networks where parts.contains(part) {
      chosen += offered.filter { $0.path == "\(part)/config.json" }
      chosen += try self.weights(of: part, among: offered, weights)
    }
    for part in Self.folders where parts.contains(part) {
      chosen += offered.filter { $0.path.hasPrefix("\(part)/") && !Self.isPickle($0.path) }
    }
    return chosen.sorted { $0.path < $1.path }
  }

  /// Whether an entry such as `["diffusers", "UNet2DConditionModel"]` names a component; `[null, null]` does not.
  private static func isPart(_ value: JSONValue) -> Bool {
    guard case .array(let pair) = value, pair.count == 2 else { return false }
    return pair.contains { $0 != .null }
  }

  private func weights(
    of part: String, among offered: [RemoteFile], _ wanted: Weights
  ) throws(HubError) -> [RemoteFile] {
    let direct = offered.filter {
      $0.path.hasPrefix("\(part)/") && !$0.path.dropFirst(part.count + 1).contains("/")
    }
    func name(_ file: RemoteFile) -> Substring { file.path.dropFirst(part.count + 1) }
    for kind in wanted == .plain ? [false, true] : [true, false] {
      let weights = direct.filter { WeightName($0.path.dropFirst(part.count + 1))?.isHalf == kind }
      // If a text encoder's weights are there under both names, the first name is read.
      guard let stem = weights.compactMap({ WeightName(name($0))?.stem }).min(by: Self.isEarlier) else {
        continue
      }
      let ofStem = weights.filter { WeightName(name($0))?.stem == stem }
      let single = ofStem.filter { WeightName(name($0))?.shard == false && !name($0).hasSuffix(".json") }
      return single.isEmpty ? ofStem : single
    }
    if let pickle = direct.first(where: { Self.isPickle($0.path) }) {
      throw .pickled(id, component: part, file: String(name(pickle)))
    }
    throw .noWeights(id, component: part)
  }

  /// The order in which names of weights are looked for.
  private static func isEarlier(_ a: Substring, _ b: Substring) -> Bool {
    (WeightName.stems.firstIndex(of: String(a)) ?? 9) < (WeightName.stems.firstIndex(of: String(b)) ?? 9)
  }

  private static func isPickle(_ path: String) -> Bool {
    [".bin", ".ckpt", ".pt", ".pth", ".pkl", ".msgpack", ".h5"].contains { path.hasSuffix($0) }
  }

  /// All safetensors files in the top folder, for messages and for LoRAs.
  var singles: [RemoteFile] { files.filter { $0.path.hasSuffix(".safetensors") && !$0.path.contains("/") } }

  /// The file of a LoRA (`_best_guess_weight_name`). If there are several, diffusers guesses the first; here it is an
  /// error.
  /// - Throws: `HubError.ambiguous`, `HubError.noFile`
  package func adapter() throws(HubError) -> RemoteFile {
    let usable = files.filter { file in
      file.path.hasSuffix(".safetensors")
        && !["scheduler", "optimizer", "checkpoint"].contains { file.path.contains($0) }
    }
    let named = usable.filter { $0.path.hasSuffix("pytorch_lora_weights.safetensors") }
    if let only = named.count == 1 ? named.first : usable.count == 1 ? usable.first : nil { return only }
    guard usable.isEmpty else { throw .ambiguous(id, files: usable.map(\.path)) }
    throw .noFile(id, path: "pytorch_lora_weights.safetensors", near: [])
  }

  /// The files of a repository that is a VAE.
  /// - Throws: `HubError.noWeights`, `HubError.pickled`
  package func autoencoder() throws(HubError) -> [RemoteFile] {
    let config = files.filter { $0.path == "config.json" }
    let weights = singles.filter { WeightName($0.path[...]).map { !$0.isHalf && !$0.shard } ?? false }
    guard let file = weights.first else {
      if let pickle = files.first(where: { Self.isPickle($0.path) }) {
        throw .pickled(id, component: "the VAE", file: pickle.path)
      }
      throw .noWeights(id, component: "the VAE")
    }
    return config + [file]
  }
}

/// The parts of a weight file's name, such as `diffusion_pytorch_model.fp16-00001-of-00002.safetensors`.
struct WeightName {
  /// `diffusion_pytorch_model`, `model` or `pytorch_model`.
  let stem: Substring
  /// Whether it is the variant of half precision.
  let isHalf: Bool
  /// Whether it is one of several shards, or their index.
  let shard: Bool

  static let stems = ["diffusion_pytorch_model", "model", "pytorch_model"]

  /// nil for any other name, such as `diffusion_pytorch_model.non_ema.safetensors`.
  init?(_ name: Substring) {
    let match = name.wholeMatch(
      of:
        #/(diffusion_pytorch_model|model|pytorch_model)(\.fp16)?(-\d{5}-of-\d{5})?(\.fp16)?\.safetensors(\.index(\.fp16)?\.json)?/#
    )
    guard let match, [match.output.2, match.output.4, match.output.6].count(where: { $0 != nil }) < 2 else {
      return nil
    }
    stem = match.output.1
    isHalf = match.output.2 != nil || match.output.4 != nil || (match.output.6 ?? nil) != nil
    shard = match.output.3 != nil || match.output.5 != nil
    if match.output.4 != nil, match.output.3 == nil { return nil }
  }
}
