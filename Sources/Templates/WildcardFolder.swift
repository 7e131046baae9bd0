import Glibc

/// The files of a folder of wildcards: all that end in `.txt`, at any depth.
///
/// Whoever gives somebody a folder must not decide what else is read. So every name is opened below the descriptor of
/// its folder, links are refused, and a pipe or a device is none of the files. Hidden files and folders are passed over.
struct WildcardFolder {
  /// The folder.
  let path: String
  private let limits: TemplateLimits

  private static let ending = ".txt"

  /// - Parameters:
  ///   - path: the folder, which may be a link itself.
  ///   - limits: how many files, how deep and how large.
  init(_ path: String, limits: TemplateLimits) {
    self.path = path
    self.limits = limits
  }

  /// The wildcards' names: paths without the ending, in no order.
  /// - Throws: `TemplateError` for a link, and for what cannot be read.
  func names() throws(TemplateError) -> [String] {
    var found: [String] = []
    var entries = 0
    /// Folders that are still to be looked into, below the first one.
    var waiting = [""]
    while let folder = waiting.popLast() {
      let listed = try list(folder)
      entries += listed.count
      guard entries <= limits.files else { throw tooLarge("has more than \(limits.files) files and folders") }
      for entry in listed {
        if entry.isFolder {
          let below = folder + entry.name + "/"
          guard below.utf8.count(where: { $0 == UInt8(ascii: "/") }) <= limits.folderDepth else {
            throw tooLarge("has folders more than \(limits.folderDepth) deep")
          }
          waiting.append(below)
        } else if entry.name.hasSuffix(Self.ending) {
          found.append(folder + entry.name.dropLast(Self.ending.count))
        }
      }
    }
    return found
  }

  /// The bytes of a wildcard's file.
  /// - Parameters:
  ///   - name: one of `names`.
  ///   - most: a larger file is refused.
  /// - Throws: `TemplateError`
  func bytes(of name: String, most: Int) throws(TemplateError) -> [UInt8] {
    let file = name + Self.ending
    let descriptor = try descend(file, O_RDONLY | O_NONBLOCK)
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw unreadable(file, errno) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw unreadable(file, EINVAL) }
    let limit = min(most, limits.fileBytes)
    guard Int(status.st_size) <= limit else { throw tooLarge("/\(file) has more than \(limit) bytes") }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = read(descriptor, &chunk, chunk.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw unreadable(file, errno) }
      if count == 0 { return bytes }
      bytes += chunk[..<count]
      // It may grow meanwhile.
      guard bytes.count <= limit else { throw tooLarge("/\(file) has more than \(limit) bytes") }
    }
  }

  private struct Entry {
    let name: String
    let isFolder: Bool
  }

  /// What is in a folder, without what is hidden.
  private func list(_ folder: String) throws(TemplateError) -> [Entry] {
    let descriptor = try descend(folder, O_RDONLY | O_DIRECTORY)
    guard let directory = fdopendir(descriptor) else {
      let code = errno
      close(descriptor)
      throw unreadable(folder, code)
    }
    defer { closedir(directory) }
    var found: [Entry] = []
    while found.count <= limits.files, let entry = readdir(directory) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        String(validating: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      guard let name, !name.hasPrefix(".") else { continue }
      var status = stat()
      guard fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
        throw unreadable(folder + name, errno)
      }
      let kind = status.st_mode & S_IFMT
      guard kind != S_IFLNK else { throw TemplateError(.link("\(path)/\(folder)\(name)")) }
      if kind == S_IFDIR || kind == S_IFREG { found.append(Entry(name: name, isFolder: kind == S_IFDIR)) }
    }
    return found
  }

  /// Opens a path below the folder one name at a time.
  private func descend(_ way: String, _ flags: Int32) throws(TemplateError) -> Int32 {
    var descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw unreadable("", errno) }
    let names = way.split(separator: "/")
    for (number, name) in names.enumerated() {
      let isLast = number == names.count - 1
      let next = openat(
        descriptor, String(name), (isLast ? flags : O_RDONLY | O_DIRECTORY) | O_NOFOLLOW | O_CLOEXEC)
      let code = errno
      close(descriptor)
      guard next >= 0 else {
        throw code == ELOOP ? TemplateError(.link("\(path)/\(way)")) : unreadable(way, code)
      }
      descriptor = next
    }
    return descriptor
  }

  private func unreadable(_ way: String, _ code: Int32) -> TemplateError {
    TemplateError(.unreadable(way.isEmpty ? path : "\(path)/\(way)", why: String(cString: strerror(code))))
  }

  private func tooLarge(_ what: String) -> TemplateError {
    TemplateError(.largeFolder(what.hasPrefix("/") ? path + what : "\(path) \(what)"))
  }
}
