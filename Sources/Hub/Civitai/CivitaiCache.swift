import Boundary
import Checkpoints
import Glibc
import Requests

/// Files of CivitAI on this machine: `civitai/VERSION/FILE/SHA256.safetensors`. A note for each link tells which file
/// it means, so that the file is found without the network.
struct CivitaiCache: Sendable {
  private let root: String

  init(root: String) { self.root = root + "/civitai" }

  var folder: String { root }

  /// The folder of a file.
  func folder(version: Int, file: Int) -> String { "\(root)/\(version)/\(file)" }

  /// The file that a link means.
  struct Note: Sendable, Equatable {
    let version: Int
    let file: Int
    let hash: String
    let size: Int
  }

  private func note(_ link: CivitaiLink) -> String {
    var digest = Digest(.sha256)
    digest.add(Array("\(link)".utf8))
    return "\(root)/links/\(digest.hexadecimal().prefix(32)).json"
  }

  /// The path of a file.
  func path(_ note: Note) -> String {
    "\(folder(version: note.version, file: note.file))/\(note.hash).safetensors"
  }

  /// The file that a link means, if it is complete.
  func find(_ link: CivitaiLink) -> Note? {
    let path = note(link)
    guard access(path, F_OK) == 0,
      let json = try? JSONValue(contentsOf: path, purpose: "a note about a link"),
      case .object(let members) = json
    else { return nil }
    let entry = AnswerObject(members, host: path)
    guard let version = entry.whole("version"), let file = entry.whole("file"),
      let size = entry.whole("size"),
      let hash = entry.text("sha256"), Digest.isHexadecimal(hash, 64)
    else { return nil }
    let note = Note(version: version, file: file, hash: hash, size: size)
    return Folder.size(of: self.path(note)) == size ? note : nil
  }

  /// Records which file a link means. A failure is ignored.
  func remember(_ note: Note, for link: CivitaiLink, name: String) {
    let json = JSONValue.object([
      "link": .string("\(link)"), "version": .integer(note.version), "file": .integer(note.file),
      "sha256": .string(note.hash), "size": .integer(note.size), "name": .string(name),
    ])
    let path = self.note(link)
    try? Folder.make(Folder.parent(of: path))
    try? Folder.write(json.text + "\n", to: path, temporary: "\(path).\(getpid()).tmp")
  }
}
