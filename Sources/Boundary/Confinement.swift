import Glibc

/// The folders that files of other people may be opened in.
///
/// Whoever names a file, or may make a link beside one, must not choose what else the program reads. So the way to
/// a file is gone one name at a time, from the descriptor of an allowed folder. A link is read where it is met; if it
/// leads outside, that is the end, and nothing outside is looked at. A folder that is exchanged for a link meanwhile
/// changes nothing, because the way goes on from the descriptor. (The kernel's `openat2` with `RESOLVE_BENEATH` would
/// refuse links from one allowed folder to another, too.)
package struct Confinement: Sendable {
  /// Everything is allowed.
  package static let none = Confinement(folders: [])

  /// What holds for every file of a model, LoRA, VAE or learned word that is opened. It is dynamic, because a file is
  /// named far from where it is opened, and no way to one may be forgotten.
  @TaskLocal package static var models = Confinement.none

  /// The same, for pictures that renders start from.
  @TaskLocal package static var pictures = Confinement.none

  /// The real paths of the folders; empty: everything is allowed.
  package let folders: [String]
  /// The same, as they were given, and by their real paths.
  private let names: [(path: [Substring], folder: String)]
  /// The only files that may be opened; nil: any.
  private var known: Set<FileIdentity>?

  private static let mostNames = 64
  private static let mostLinks = 40

  /// - Parameter folders: absolute paths, in which links are followed now; empty: everything is allowed.
  package init(folders: [String]) {
    self.folders = folders.map { Self.real($0) ?? $0 }
    names = zip(self.folders, folders).flatMap { real, given in
      Set([Self.parts(real), Self.parts(given)]).map { ($0, real) }
    }
  }

  /// The same, for files that were looked through before: another one in a file's place is an error.
  package func only(_ files: Set<FileIdentity>) -> Confinement {
    var result = self
    result.known = files
    return result
  }

  // MARK: - Files

  /// Opens a file for reading. Opening a pipe does not wait for its writer.
  /// - Throws: `OpenFailure`
  package func open(_ path: String) throws(OpenFailure) -> FoundFile {
    let file = try find(path, O_RDONLY | O_NONBLOCK)
    guard let known, file.isRegular, !known.contains(file.identity) else { return file }
    throw .exchanged
  }

  /// Finds a file or folder without opening it for reading: that needs no permission on the file itself.
  /// - Throws: `OpenFailure`
  package func look(_ path: String) throws(OpenFailure) -> FoundFile { try find(path, OpenFlags.place) }

  /// Whether there is a file or folder. Without descriptors to find out there may be one: whoever opens it hears of the
  /// shortage.
  package func has(_ path: String) -> Bool {
    do throws(OpenFailure) {
      _ = try look(path).isFolder
      return true
    } catch {
      return error.isShortage
    }
  }

  /// The names in a folder, hidden ones too, in no order.
  /// - Parameters:
  ///   - path: of the folder.
  ///   - limit: of names; one more is read then, to show that there are more.
  /// - Throws: `OpenFailure`
  package func names(in path: String, limit: Int = .max) throws(OpenFailure) -> [String] {
    let descriptor = try find(path, O_RDONLY | O_DIRECTORY).take()
    guard let directory = fdopendir(descriptor) else {
      let code = errno
      close(descriptor)
      throw .refused(code)
    }
    defer { closedir(directory) }
    var names: [String] = []
    while names.count <= limit, let entry = readdir(directory) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names
  }

  // MARK: - The way to a file

  private func find(_ path: String, _ flags: Int32) throws(OpenFailure) -> FoundFile {
    guard !folders.isEmpty else { return try Self.at(AT_FDCWD, path, flags, as: path) }
    // What leads in from outside, such as a link in a home folder to the models, is followed by the system. Wherever
    // else it leads, the answer is the same.
    guard let start = place(of: path) ?? Self.real(path).flatMap(place) else { throw .outside }
    return try walk(from: start, flags)
  }

  /// Which allowed folder a path begins with, and the names after it.
  private func place(of path: String) -> (folder: String, rest: [Substring])? {
    guard path.hasPrefix("/"), path.utf8.count <= Int(PATH_MAX), !path.utf8.contains(0) else { return nil }
    let parts = Self.parts(path)
    guard let found = names.filter({ parts.starts(with: $0.path) }).max(by: { $0.path.count < $1.path.count })
    else { return nil }
    return (found.folder, Array(parts.dropFirst(found.path.count)))
  }

  private func walk(from start: (folder: String, rest: [Substring]), _ flags: Int32) throws(OpenFailure)
    -> FoundFile
  {
    var way = try Way(start.folder)
    /// The next name is the last element.
    var names = Array(start.rest.map(String.init).reversed())
    var links = 0
    while let name = names.popLast() {
      guard names.count < Self.mostNames else { throw .refused(ENAMETOOLONG) }
      if name == ".." {
        if way.goUp() { continue }
        // Above an allowed folder there may be another one.
        let above = Way.above(way.path) + "/" + names.reversed().joined(separator: "/")
        guard let place = place(of: above) else { throw .outside }
        way = try Way(place.folder)
        names = place.rest.reversed().map(String.init)
        links += 1
      } else {
        let found = try Self.at(way.descriptor, name, OpenFlags.place | O_NOFOLLOW, as: way.path + "/" + name)
        if found.isLink {
          let target = try Self.target(of: found)
          links += 1
          if target.hasPrefix("/") {
            guard let place = place(of: target) else { throw .outside }
            way = try Way(place.folder)
            names += place.rest.reversed().map(String.init)
          } else {
            names += Self.parts(target).reversed().map(String.init)
          }
        } else if found.isFolder {
          way.goDown(name, found.take())
        } else {
          guard names.isEmpty else { throw .refused(ENOTDIR) }
          return try Self.reopen(found, in: way, name, flags)
        }
      }
      guard links <= Self.mostLinks else { throw .refused(ELOOP) }
    }
    return try Self.at(way.descriptor, ".", flags, as: way.path.isEmpty ? "/" : way.path)
  }

  /// Opens what was found under a name, for reading; what has come in its place meanwhile is not opened.
  private static func reopen(
    _ found: consuming FoundFile, in way: borrowing Way, _ name: String, _ flags: Int32
  ) throws(OpenFailure) -> FoundFile {
    if flags & OpenFlags.place != 0 { return found }
    let opened = try at(way.descriptor, name, flags | O_NOFOLLOW, as: found.path)
    guard opened.identity == found.identity else { throw .exchanged }
    return opened
  }

  private static func at(
    _ folder: Int32, _ name: String, _ flags: Int32, as path: String
  ) throws(OpenFailure) -> FoundFile {
    while true {
      let descriptor = openat(folder, name, flags | O_CLOEXEC)
      if descriptor >= 0 { return try FoundFile(path: path, descriptor: descriptor) }
      if errno != EINTR { throw .refused(errno) }
    }
  }

  /// Where a link leads, as it is written in it.
  private static func target(of link: borrowing FoundFile) throws(OpenFailure) -> String {
    var bytes = [UInt8](repeating: 0, count: Int(PATH_MAX))
    let count = link.with { descriptor in
      bytes.withUnsafeMutableBytes { buffer -> Int in
        guard let base = buffer.baseAddress else { return -1 }
        return readlinkat(descriptor, "", base.assumingMemoryBound(to: CChar.self), buffer.count)
      }
    }
    guard count > 0, count < bytes.count else { throw .refused(count < 0 ? errno : ENAMETOOLONG) }
    return String(decoding: bytes[..<count], as: UTF8.self)
  }

  /// The names of a path; empty ones and `.` mean nothing.
  private static func parts(_ path: String) -> [Substring] {
    path.split(separator: "/").filter { $0 != "." }
  }

  /// A path with all links followed; nil if there is nothing.
  private static func real(_ path: String) -> String? {
    guard let real = realpath(path, nil) else { return nil }
    defer { free(real) }
    return String(cString: real)
  }
}

/// The folders from an allowed one down to where a walk is, all open.
private struct Way: ~Copyable {
  private var folders: [(name: String, descriptor: Int32)]

  init(_ folder: String) throws(OpenFailure) {
    let descriptor = Glibc.open(folder, OpenFlags.place | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .refused(errno) }
    folders = [(folder == "/" ? "" : folder, descriptor)]
  }

  deinit { for folder in folders { close(folder.descriptor) } }

  /// Of the lowest folder.
  var descriptor: Int32 { folders[folders.count - 1].descriptor }

  /// Of the lowest folder, without links.
  var path: String { folders.map(\.name).joined(separator: "/") }

  mutating func goDown(_ name: String, _ descriptor: Int32) { folders.append((name, descriptor)) }

  /// False above the allowed folder.
  mutating func goUp() -> Bool {
    guard folders.count > 1 else { return false }
    close(folders.removeLast().descriptor)
    return true
  }

  /// The path of the folder that a folder is in.
  static func above(_ path: String) -> String {
    path.lastIndex(of: "/").map { String(path[..<$0]) } ?? ""
  }
}

/// Flags of `open` that the system's module leaves out.
private enum OpenFlags {
  /// `O_PATH`: a descriptor of the place alone, of a link, too. The same number on all processors that Swift runs on.
  static let place: Int32 = 0o10_000_000
}
