import Boundary
import Glibc

/// The files of a folder of wildcards: all that end in `.txt`, at any depth.
///
/// Whoever gives somebody a folder must not decide what else is read. So files are read within the folder
/// (`Confinement`), links are refused, and a pipe or a device is none of the files. Hidden files and folders are passed
/// over.
struct WildcardFolder {
  /// The folder.
  let path: String
  private let limits: TemplateLimits
  private let confinement: Confinement

  private static let ending = ".txt"

  /// - Parameters:
  ///   - path: the folder's absolute path, which may be a link itself.
  ///   - limits: how many files, how deep and how large.
  init(_ path: String, limits: TemplateLimits) {
    self.path = path
    self.limits = limits
    confinement = Confinement(folders: [path])
  }

  /// The wildcards' names: paths without the ending, in no order.
  /// - Throws: `TemplateError` for a link, and for what cannot be read.
  func names() throws(TemplateError) -> [String] {
    var found: [String] = []
    var entries = 0
    /// Folders that are still to be looked into, below the first one.
    var waiting = [""]
    while let folder = waiting.popLast() {
      let names = try list(folder)
      entries += names.count
      guard entries <= limits.files else { throw tooMany }
      for name in names {
        let way = folder + name
        switch try kind(of: way) {
        case S_IFDIR:
          let below = way + "/"
          guard below.utf8.count(where: { $0 == UInt8(ascii: "/") }) <= limits.folderDepth else {
            throw tooLarge("has folders more than \(limits.folderDepth) deep")
          }
          waiting.append(below)
        case S_IFREG where name.hasSuffix(Self.ending): found.append(String(way.dropLast(Self.ending.count)))
        default: break
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
    let limit = min(most, limits.fileBytes)
    do throws(FileBytes.Fault) {
      return try FileBytes.read("\(path)/\(file)", limit: limit, within: confinement)
    } catch {
      switch error {
      case .unreadable(let code): throw unreadable(file, code)
      case .outside: throw link(file)
      case .tooLarge: throw tooLarge("/\(file) has more than \(limit) bytes")
      }
    }
  }

  /// The names in a folder, without what is hidden.
  private func list(_ folder: String) throws(TemplateError) -> [String] {
    let all: [String]
    do throws(OpenFailure) {
      all = try confinement.names(in: "\(path)/\(folder)", limit: limits.files)
    } catch {
      switch error {
      case .outside: throw link(folder)
      case .exchanged: throw unreadable(folder, ESTALE)
      case .refused(let code): throw unreadable(folder, code)
      }
    }
    guard all.count <= limits.files else { throw tooMany }
    return all.filter { !$0.hasPrefix(".") }
  }

  /// The kind of a file; nil if it is gone, or has a name that is not UTF-8.
  private func kind(of way: String) throws(TemplateError) -> mode_t? {
    var status = stat()
    guard lstat("\(path)/\(way)", &status) == 0 else {
      if errno == ENOENT { return nil }
      throw unreadable(way, errno)
    }
    let kind = status.st_mode & S_IFMT
    guard kind != S_IFLNK else { throw link(way) }
    return kind
  }

  private func link(_ way: String) -> TemplateError { TemplateError(.link("\(path)/\(way)")) }

  private func unreadable(_ way: String, _ code: Int32) -> TemplateError {
    TemplateError(.unreadable(way.isEmpty ? path : "\(path)/\(way)", why: String(cString: strerror(code))))
  }

  private var tooMany: TemplateError { tooLarge("has more than \(limits.files) files and folders") }

  private func tooLarge(_ what: String) -> TemplateError {
    TemplateError(.largeFolder(what.hasPrefix("/") ? path + what : "\(path) \(what)"))
  }
}
