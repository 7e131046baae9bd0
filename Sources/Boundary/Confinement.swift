import Glibc

/// The folders in which files may be opened that other people name.
///
/// A person who names a file, or puts a link beside one, must not decide what else the program reads. So a path is
/// opened one name at a time, starting at the descriptor of an allowed folder. Each link is read and checked. If it
/// leads outside the allowed folders, opening fails, and nothing outside is looked at. Replacing a folder by a link in
/// the meantime has no effect, because the next name is opened below the descriptor. (The kernel's `openat2` with
/// `RESOLVE_BENEATH` would also refuse links from one allowed folder to another.)
package struct Confinement: Sendable {
  /// Everything is allowed.
  package static let none = Confinement(folders: [])

  /// The confinement for every file of a model, LoRA, VAE or learned word. It is task-local, so that it holds in
  /// every place that opens such a file, without being passed along.
  @TaskLocal package static var models = Confinement.none

  /// The confinement for starting pictures and masks.
  @TaskLocal package static var pictures = Confinement.none

  /// The real paths of the folders. If it is empty, everything is allowed.
  package let folders: [String]
  /// Each folder twice: under the path that was given, and under its real path.
  private let names: [(path: [Substring], folder: String)]
  /// The only files that may be opened; nil: any.
  private var known: Set<FileIdentity>?

  private static let mostNames = 64
  private static let mostLinks = 40

  /// - Parameter folders: absolute paths. Links in them are followed now. If it is empty, everything is allowed.
  package init(folders: [String]) {
    self.folders = folders.map { Self.real($0) ?? $0 }
    names = zip(self.folders, folders).flatMap { real, given in
      Set([Self.parts(real), Self.parts(given)]).map { ($0, real) }
    }
  }

  /// The same folders, but only files that were checked before. A file that has been replaced since is an error.
  package func only(_ files: Set<FileIdentity>) -> Confinement {
    var result = self
    result.known = files
    return result
  }

  // MARK: - Files

  /// Opens a file for reading. It does not wait if the file is a pipe without a writer.
  /// - Throws: `OpenFailure`
  package func open(_ path: String) throws(OpenFailure) -> FoundFile {
    let file = try find(path, O_RDONLY | O_NONBLOCK)
    guard let known, file.isRegular, !known.contains(file.identity) else { return file }
    throw .exchanged
  }

  /// Finds a file or folder without opening it for reading. No permission on the file itself is needed.
  /// - Throws: `OpenFailure`
  package func look(_ path: String) throws(OpenFailure) -> FoundFile { try find(path, OpenFlags.place) }

  /// Whether there is a file or folder. If there are no descriptors left to find out, the answer is yes: opening it
  /// will report the shortage.
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
  ///   - path: the folder's path.
  ///   - limit: the most names. If there are more, one name more than the limit is returned.
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
    // A path may begin outside and lead in, such as a link in a home folder to the models. The system follows that.
    // If it leads anywhere else, the answer is always the same.
    guard let start = place(of: path) ?? Self.real(path).flatMap(place) else { throw .outside }
    return try walk(from: start, flags)
  }

  /// The allowed folder that a path begins with, and the names after it.
  private func place(of path: String) -> (folder: String, rest: [Substring])? {
    guard path.isAbsolutePath, path.utf8.count <= Int(PATH_MAX), !path.utf8.contains(0) else { return nil }
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
        // An allowed folder may be inside another allowed folder.
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
          if target.isAbsolutePath {
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

  /// Opens what was found under a name for reading. If something else has that name by now, it is not opened.
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

  /// The target as the link has it.
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

  /// The names in a path, without empty names and `.`.
  private static func parts(_ path: String) -> [Substring] {
    path.pathNames.filter { !$0.isEmpty && $0 != "." }
  }

  /// The path with all links followed; nil if nothing is there.
  private static func real(_ path: String) -> String? {
    guard let real = realpath(path, nil) else { return nil }
    defer { free(real) }
    return String(cString: real)
  }
}

/// The open folders from an allowed one down to the one that has been reached.
private struct Way: ~Copyable {
  private var folders: [(name: String, descriptor: Int32)]

  init(_ folder: String) throws(OpenFailure) {
    let descriptor = Glibc.open(folder, OpenFlags.place | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .refused(errno) }
    folders = [(folder == "/" ? "" : folder, descriptor)]
  }

  deinit { for folder in folders { close(folder.descriptor) } }

  /// The descriptor of the lowest folder.
  var descriptor: Int32 { folders[folders.count - 1].descriptor }

  /// The path of the lowest folder, without links.
  var path: String { folders.map(\.name).joined(separator: "/") }

  mutating func goDown(_ name: String, _ descriptor: Int32) { folders.append((name, descriptor)) }

  /// Leaves the lowest folder; false if that is the allowed one.
  mutating func goUp() -> Bool {
    guard folders.count > 1 else { return false }
    close(folders.removeLast().descriptor)
    return true
  }

  /// The path of the folder above a folder.
  static func above(_ path: String) -> String {
    path.lastSlash.map { String(path[..<$0]) } ?? ""
  }
}

/// Flags of `open` that the system's module leaves out.
private enum OpenFlags {
  /// `O_PATH`: a descriptor that only names the file or link. The number is the same on all processors that Swift runs
  /// on.
  static let place: Int32 = 0o10_000_000
}
