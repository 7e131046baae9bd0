import Foundation
import HTTP
import Hub
import Requests
import Synchronization
import TestSupport
import Testing

/// A test hub, a cache of its own, and a way to pull.
final class PullHouse: Sendable {
  let hub: TestHub
  private let place: TemporaryFolder
  let said = Mutex<[String]>([])

  init() throws {
    hub = try TestHub()
    place = try TemporaryFolder()
  }

  var folder: String { place.path }

  var cache: String { folder + "/hub" }

  /// Settings as an environment of this house gives them.
  func settings(_ more: [String: String] = [:]) throws -> HubSettings {
    let own = [
      "HF_HOME": folder, "HF_ENDPOINT": hub.endpoint, "CIVITAI_ENDPOINT": hub.civitai,
      "XDG_CACHE_HOME": folder,
      // The hub is in this very process, which a busy machine may stop: its silence means nothing.
      "HF_HUB_DOWNLOAD_TIMEOUT": "\(Patience.seconds)",
    ]
    return try HubSettings(environment: own.merging(more) { $1 }, home: folder)
  }

  func puller(
    _ more: [String: String] = [:], transport: any HTTPTransport = CurlTransport(),
    stop: StopFlag = StopFlag()
  ) throws -> ModelPuller {
    ModelPuller(
      settings: try settings(more), transport: transport, pace: RetryPace(delays: [0, 0, 0, 0, 0]),
      stop: stop,
      say: { [self] line in said.withLock { $0.append(line) } })
  }

  @discardableResult
  func pull(
    _ text: String, for use: ModelUse = .model, isDry: Bool = false, _ more: [String: String] = [:]
  ) throws -> PulledModel {
    try puller(more).pull(try ModelSource(text) { _ in false }, for: use, isDry: isDry)
  }

  /// A model in diffusers' layout, with weights of so many bytes.
  static func model(bytes: Int = 200_000) -> [String: [UInt8]] {
    let index =
      #"{"_class_name":"StableDiffusionPipeline","unet":["diffusers","UNet2DConditionModel"],"#
      + #""vae":["diffusers","AutoencoderKL"],"tokenizer":["transformers","CLIPTokenizer"]}"#
    return [
      "model_index.json": Array(index.utf8), "README.md": Array("# A model".utf8),
      "unet/config.json": Array(#"{"a":1}"#.utf8), "vae/config.json": Array(#"{"b":2}"#.utf8),
      "tokenizer/vocab.json": Array("{}".utf8), "tokenizer/merges.txt": Array("x".utf8),
      "unet/diffusion_pytorch_model.safetensors": noise(bytes, seed: 1),
      "unet/diffusion_pytorch_model.bin": noise(100, seed: 2),
      "vae/diffusion_pytorch_model.safetensors": noise(bytes / 2, seed: 3),
    ]
  }

  static func noise(_ count: Int, seed: UInt64) -> [UInt8] {
    var random = RandomNumbers(seed: seed)
    return random.bytes(count)
  }

  /// What lies under a pulled folder, by path.
  func content(of path: String, _ names: [String]) throws -> [String: [UInt8]] {
    var found: [String: [UInt8]] = [:]
    for name in names {
      found[name] = Array(try Data(contentsOf: URL(fileURLWithPath: "\(path)/\(name)")))
    }
    return found
  }

  /// The names of the blobs, and of parts.
  func blobs(_ id: String) -> [String] {
    let folder = "\(cache)/models--\(id.replacing("/", with: "--"))/blobs"
    return ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
  }

  /// Whether storage, or anybody but the hub, ever saw the token.
  var leaks: [SeenRequest] { hub.requests.filter { $0.server != "hub" && $0.hasToken } }
}
