import CommandLine
import Foundation
import Images
import JobStore
import Requests

/// The request of a job, or of a picture that one made, to be used again.
struct EarlierRequest {
  /// All of its settings.
  let draft: RequestDraft
  /// Its pictures, by their numbers.
  let pictures: [Int: String]
  /// `job 17`, or the picture's path.
  let name: String
  /// Settings that the picture names a file for, without saying where it is, and what is known of it.
  private let files: [(setting: String, file: String)]

  /// - Parameters:
  ///   - text: a job's number, or the path of a PNG file.
  ///   - store: the queue; nil if there is none.
  /// - Throws: `JobStoreError.notFound`, `ImageError`, `Problem`
  init(_ text: String, in store: (any JobQueue)?) throws {
    if let number = Int64(text) {
      guard let store else { throw JobStoreError.notFound(thing: "job", id: text) }
      let details = try store.details(job: number)
      draft = RequestDraft(whole: details.job.request.render)
      pictures = Dictionary(details.images.map { ($0.index, $0.path) }) { first, _ in first }
      (name, files) = ("job \(number)", [])
      return
    }
    let texts = try PNGFile.read(text).texts
    guard let json = texts.first(where: { $0.keyword == PictureForm.keyword })?.text else {
      throw Problem.badInput("\(text): says nothing of its request; only pictures made by segmoe do")
    }
    let form: PictureForm
    do {
      form = try JSONDecoder().decode(PictureForm.self, from: Data(json.utf8))
    } catch let error as RequestError {
      throw Problem.badInput("\(text): \(error)")
    } catch {
      throw Problem.badInput("\(text): its text is not segmoe's, or damaged")
    }
    (name, pictures) = (text, [0: absolutePath(text)])
    // The job itself knows where files are, if it is still here.
    if let job = form.job, let index = form.index, let own = try? store?.details(job: job).job.request.render,
      let prompt = form.draft.prompt, own.prompt == prompt, form.draft.seed == own.picture(index).seed
    {
      var one = own.picture(index)
      one.count = 1
      (draft, files) = (RequestDraft(whole: one), [])
    } else {
      (draft, files) = (form.draft, form.files)
    }
  }

  /// Checks that nothing is missing that only the picture's maker had.
  /// - Parameter given: the settings of the command line.
  /// - Throws: `Problem.usage`
  func check(_ given: Set<String>) throws {
    guard let missing = files.first(where: { !given.contains($0.setting) }) else { return }
    let option = ["loras": "lora", "embeddings": "embedding", "init_image": "init-image"][missing.setting]
    throw Problem.usage(
      "\(name) was made with \(missing.file), whose place on this machine it does not say: give --\(option ?? missing.setting) FILE"
    )
  }
}

/// The text `segmoe` of a picture.
private struct PictureForm: Decodable {
  static let keyword = "segmoe"

  let draft: RequestDraft
  let job: Int64?
  let index: Int?
  let files: [(setting: String, file: String)]

  private struct File: Decodable {
    let name: String
    let sha256: String

    var text: String { "\(name) (SHA-256 \(sha256.prefix(12))…)" }
  }

  init(from decoder: any Decoder) throws {
    let members = try decoder.container(keyedBy: SettingKey.self)
    func key(_ name: String) -> SettingKey { SettingKey(name) }
    let named: Set = ["loras", "embeddings", "vae", "init_image", "mask", "memory_budget"]
    draft = try RequestDraft(members, only: Set(Setting.all.map(\.name)).subtracting(named))
    job = try members.decodeIfPresent(Int64.self, forKey: key("job"))
    index = try members.decodeIfPresent(Int.self, forKey: key("index"))
    var files: [(String, String)] = []
    for file in try members.decodeIfPresent([File].self, forKey: key("loras")) ?? [] {
      files.append(("loras", "LoRA \(file.text)"))
    }
    // Pictures of earlier versions have the tokens alone.
    if let tokens = try members.decodeIfPresent([String: String].self, forKey: key("embeddings")) {
      files += tokens.keys.sorted().map { ("embeddings", "the learned word \($0)") }
    }
    if let file = try members.decodeIfPresent(File.self, forKey: key("vae")) {
      files.append(("vae", "VAE \(file.text)"))
    }
    for name in ["init_image", "mask"] where members.contains(key(name)) {
      let digest = try members.decode(String.self, forKey: key(name))
      files.append((name, "a picture (SHA-256 \(digest.prefix(12))…)"))
    }
    self.files = files.map { (setting: $0.0, file: $0.1) }
  }
}
