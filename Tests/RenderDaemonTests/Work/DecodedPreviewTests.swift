import Checkpoints
import Diffusion
import Foundation
import GoldenModels
import Images
import JobStore
import Logging
import RenderDaemon
import Requests
import Synchronization
import Tensors
import TestSupport
import Testing
import WeightCache

/// Where a tiny autoencoder is, the previews of what is at work are decoded by it.
@Suite struct DecodedPreviewTests {
  /// Whose it is.
  enum Place: CaseIterable {
    /// The job names it as its VAE.
    case ofTheJob
    /// It has the usual name.
    case beside
    /// The configuration names it.
    case named

    var file: String { self == .beside ? "taesd_decoder.safetensors" : "small.safetensors" }

    var names: PreviewVAENames { PreviewVAENames(sd: self == .named ? file : nil) }

    /// Of the previews: decoded ones have two pixels for a latent along an edge, and no more than 16 latents.
    var sizes: (sums: [Int], decoded: [Int]) {
      self == .ofTheJob ? ([32, 36], [28, 32]) : ([16, 18], [28, 32])
    }
  }

  /// Holds a worker up once it has written a preview of some size: whatever it has to write next waits until the test has looked.
  private final class Hold: Sendable {
    private let state = Mutex((isWritten: false, isOpen: false))
    /// What the preview's PNG has behind its signature: its width and height.
    private let sign: String

    init(size: [Int]) {
      sign = size.flatMap(PNGBytes.big).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// A statement that the worker is about to make.
    func see(_ statement: String) {
      if statement.contains("INTO previews"), statement.lowercased().contains(sign) {
        state.withLock { $0.isWritten = true }
      }
      let limit = Patience.end
      while statement.hasPrefix("BEGIN"), state.withLock({ $0.isWritten && !$0.isOpen }), Date() < limit {
        Thread.sleep(forTimeInterval: 0.005)
      }
    }

    func open() { state.withLock { $0.isOpen = true } }
  }

  private func size(_ preview: Preview) throws -> [Int] {
    let picture = try PNGFile.decode(preview.png).image
    return [picture.width, picture.height]
  }

  /// - Returns: the job, and what it asks for.
  private func enqueue(_ house: DaemonHouse, _ place: Place) throws -> (id: Int64, request: RenderRequest) {
    var request = RenderRequest(model: house.model)
    let id = try house.enqueue {
      ($0.width, $0.height) = place == .ofTheJob ? (64, 72) : (128, 144)
      ($0.steps, $0.count, $0.seed) = (400, 4, 4)
      $0.vae = place == .ofTheJob ? place.file : nil
      request = $0
    }
    (request.model, request.prompt) = (house.model, "a red fox")
    request.vae = request.vae.map { house.models + "/" + $0 }
    return (id, request)
  }

  private func files(of job: Int64, in house: DaemonHouse) throws -> [Data] {
    let details = try house.client.details(job: job)
    #expect(details.job.state == .done && details.images.count == 4)
    return try details.images.map { try Data(contentsOf: URL(fileURLWithPath: $0.path)) }
  }

  /// What the preview of an image must be: the latents that its step predicts, made smaller and decoded.
  private func wanted(_ preview: Preview, of request: RenderRequest, _ file: String) throws -> RGBImage {
    let model = try DiffusionModel(
      folder: ModelFolder(path: request.model), vae: request.vae, cache: PartCache())
    let decoder =
      try PreviewDecoder(ownOf: model)
      ?? PreviewDecoder(AutoencoderFiles(path: file, own: nil, isXL: false), cache: model.cache)
    let renderer = Renderer(
      model: model, pass: ForwardPass(compute: Compute(threads: 1)), previews: decoder)
    var denoising = try renderer.begin(renderer.picture(request).next(preview.number))
    for _ in 0..<preview.step { _ = try renderer.advance(&denoising) }
    return try #require(try renderer.decodedPreview(of: denoising))
  }

  /// The stored preview is the decoded one, and the files are the same to the byte as without previews.
  @Test(arguments: Place.allCases) func thePreviewIsDecodedAndThePicturesAreTheSame(place: Place) throws {
    let house = try DaemonHouse()
    let file = house.models + "/" + place.file
    try SmallTAESD.write(to: file)
    let (id, request) = try enqueue(house, place)
    let hold = Hold(size: place.sizes.decoded)
    let worker = try house.worker(drain: false, previewVAE: place.names) { hold.see($0) }
    let thread = FinishingThread { try worker.run() }
    var seen: Preview?
    try house.wait {
      seen = try house.client.previews(jobs: [id]).first { try size($0) == place.sizes.decoded }
      return try seen != nil || house.job(id).state == .done
    }
    hold.open()
    let preview = try #require(seen)
    let picture = try PNGFile.decode(preview.png).image
    #expect(try picture == wanted(preview, of: request, file))
    #expect(Set(picture.pixels).count > 10)
    try house.wait { try house.job(id).state == .done }
    worker.requestStop()
    thread.wait()
    #expect(try house.client.previews(jobs: [id]).isEmpty)

    let plain = try DaemonHouse()
    try SmallTAESD.write(to: plain.models + "/" + place.file)
    let (other, _) = try enqueue(plain, place)
    try plain.worker(previews: false).run()
    #expect(try files(of: id, in: house) == files(of: other, in: plain))
  }

  /// What cannot decode is said once, and costs neither a picture nor its previews.
  @Test(arguments: ["another kind", "cut short", "not finite", "not there"])
  func whereItCannotDecodeThereAreSums(_ fault: String) throws {
    let house = try DaemonHouse()
    let file = house.models + "/" + Place.named.file
    switch fault {
    case "another kind": try FileManager.default.copyItem(atPath: house.model + "/vae", toPath: file)
    case "cut short":
      try SmallTAESD.write(to: file)
      let handle = try #require(FileHandle(forWritingAtPath: file))
      try handle.truncate(atOffset: try handle.seekToEnd() / 2)
      try handle.close()
    case "not finite": try SmallTAESD.write(to: file, isFinite: false)
    default: break
    }
    let (id, _) = try enqueue(house, .named)
    let recorder = LogRecorder()
    var settings = house.settings(drain: false)
    settings.previewVAE = Place.named.names
    let worker = try Worker(settings, log: Logger(label: "test") { _ in recorder })
    let thread = FinishingThread { try worker.run() }
    func warnings() -> [String] { recorder.messages.filter { $0.contains("preview") } }
    try house.wait { try !warnings().isEmpty || house.job(id).state == .done }
    let before = try house.client.previews(jobs: [id]).first
    var after: Preview?
    try house.wait {
      after = try house.client.previews(jobs: [id]).first { $0 != before }
      return try after != nil || house.job(id).state == .done
    }
    #expect(try size(#require(after)) == Place.named.sizes.sums)
    try house.wait { try house.job(id).state == .done }
    worker.requestStop()
    thread.wait()
    #expect(warnings().count == 1, "\(warnings())")
    #expect(try house.client.details(job: id).images.count == 4)
  }

  /// What check-config says of names.
  @Test func namesAreChecked() throws {
    let house = try DaemonHouse()
    try SmallTAESD.write(to: house.models + "/small.safetensors")
    var settings = house.settings()
    #expect(PreviewVAEFault.all(of: settings, root: "").isEmpty)
    settings.previewVAE = PreviewVAENames(sd: "small.safetensors", sdxl: "gone")
    let missing = PreviewVAEFault.all(of: settings, root: "")
    #expect(missing.map(\.key) == ["preview_vae.sdxl"] && missing[0].isMissing)
    #expect(missing[0].fault == "gone is not there")
    settings.previewVAE = PreviewVAENames(sd: "tiny", sdxl: house.client.path)
    let wrong = PreviewVAEFault.all(of: settings, root: "")
    #expect(wrong.map(\.key) == ["preview_vae.sd", "preview_vae.sdxl"] && wrong.allSatisfy { !$0.isMissing })
    #expect(wrong[0].fault.contains("no TAESD") && wrong[1].fault.contains("outside the model folders"))
  }
}
