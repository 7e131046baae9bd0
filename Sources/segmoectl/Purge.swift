import ArgumentParser
import Boundary
import CommandLine
import Foundation
import JobStore
import Requests

/// `segmoectl purge`
struct Purge: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Remove jobs that are over, and their pictures.",
    discussion: """
      It needs --older-than, --keep or --max-bytes. With several, a job is removed only if each of them lets it go: it is \
      older, not among the newest, and beyond the size. Pictures are removed only with --files DIR, and only .png files whose real path is below DIR. \
      A batch with an idempotency key is kept, without its jobs.
      """)

  @OptionGroup var location: Location

  @Option(
    help: ArgumentHelp("Jobs that have been over for longer than this, e.g. 12h or 30d.", valueName: "pause"))
  var olderThan: String?

  @Option(parsing: .unconditional, help: "Keep this many of the newest jobs in each state.")
  var keep: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Keep the newest jobs whose pictures have at most this size together, e.g. 50GiB.", valueName: "size"))
  var maxBytes: String?

  @Option(help: "Jobs in this state (default: done). May be repeated.")
  var state: [JobState] = []

  @Option(help: ArgumentHelp("Also remove their pictures, if they are below this folder.", valueName: "dir"))
  var files: String?

  @OptionGroup var look: DryRun
  @OptionGroup var format: Format

  /// Jobs whose rows go in one transaction.
  private static let atOnce = 500

  func run() throws {
    var retention = try retention()
    let age = try olderThan.map(pause(_:))
    let remover = try files.map(FileRemover.init(folder:))
    let store = try location.open(for: look.dryRun ? .reading : .changing)
    retention.finishedBefore = try age.map { try store.now() - Milliseconds($0 * 1000) }
    var pictures = 0
    let jobs: Int
    if !format.json {
      let fate =
        remover.map { "their pictures below \($0.folder) go with them" } ?? "their pictures stay on disk"
      let count = try store.expiredCount(retention)
      print(PlainText.line("\(count) jobs go; \(fate)"))
      fflush(nil)
    }
    if look.dryRun {
      let expired = try store.expired(retention, limit: .max)
      jobs = expired.count
      pictures = try expired.flatMap(\.paths).filter { try remover?.mayRemove($0) ?? false }.count
    } else {
      jobs = try store.purge(retention, atOnce: Self.atOnce) { job in
        for path in job.paths where try remover?.remove(path) ?? false { pictures += 1 }
      }
    }
    if format.json {
      print(JSONText.object([("jobs", .integer(jobs)), ("files", .integer(pictures))]).text)
    } else {
      print("\(jobs) jobs and \(pictures) pictures \(look.dryRun ? "would go" : "are gone")")
    }
  }

  /// Which jobs go, but for their age.
  private func retention() throws -> Retention {
    guard olderThan != nil || keep != nil || maxBytes != nil else {
      throw Problem.usage("nothing says what may go: give --older-than, --keep or --max-bytes")
    }
    guard keep ?? 0 >= 0 else { throw Problem.usage("--keep must be 0 or more") }
    if let open = state.first(where: \.isOpen) {
      throw Problem.usage("\(open.rawValue) jobs are never purged: cancel them first")
    }
    var retention = Retention()
    if !state.isEmpty { retention.states = Set(state) }
    retention.keepNewest = keep ?? 0
    retention.keepBytes = try maxBytes.map { text in
      guard let size = ByteCount(text: text) else {
        throw Problem.usage("--max-bytes is '\(text.prefix(40))': \(ByteCount.rule)")
      }
      return Int64(size.bytes)
    }
    return retention
  }
}

/// Removes pictures below a folder and nothing else. The paths come from the database, which others can write.
struct FileRemover {
  /// Its real path.
  let folder: String

  /// - Throws: `Problem.missing`
  init(folder: String) throws {
    guard let real = realPath(absolutePath(folder)) else {
      throw Problem.missing("\(folder) is not there: --files names the folder of the pictures")
    }
    self.folder = real
  }

  /// - Returns: False when the file is gone already, is no picture, or lies elsewhere.
  func mayRemove(_ path: String) throws -> Bool {
    place(of: path) != nil
  }

  /// Removes a picture, and its folder when it was the last one there, and the folder that this one was in.
  /// - Returns: As `mayRemove`.
  /// - Throws: `Problem.failed` when it can't be removed.
  func remove(_ path: String) throws -> Bool {
    guard let place = place(of: path) else { return false }
    guard unlink(place) == 0 else {
      throw Problem.failed(
        "\(place) can't be removed: \(String(cString: strerror(errno))); check its folder's permissions")
    }
    var parent = URL(fileURLWithPath: place).deletingLastPathComponent().path
    // Fails, as it should, unless the folder is empty.
    while parent != folder, rmdir(parent) == 0 {
      parent = URL(fileURLWithPath: parent).deletingLastPathComponent().path
    }
    return true
  }

  /// The file's real path; nil if it may not be removed.
  private func place(of path: String) -> String? {
    let url = URL(fileURLWithPath: path)
    guard path.isAbsolutePath, url.pathExtension == "png",
      let parent = realPath(url.deletingLastPathComponent().path),
      parent == folder || parent.hasPrefix(folder == "/" ? "/" : folder + "/")
    else { return nil }
    let place = parent + "/" + url.lastPathComponent
    var status = stat()
    // lstat rather than stat, because the target of a symbolic link must not be touched.
    guard lstat(place, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
    return place
  }
}

/// The path without symbolic links, nil when nothing is there.
private func realPath(_ path: String) -> String? {
  guard let resolved = realpath(path, nil) else { return nil }
  defer { free(resolved) }
  return String(cString: resolved)
}
