import CommandLine
import Foundation
import Images
import JobStore
import Requests

/// A batch that is queued for one sheet: it goes through the queue as any other, and the sheet is made when it is over.
struct SheetBatch {
  let enqueuing: Enqueuing
  let output: SheetOutput
  let format: Format
  let sharedOption: SharedOption
  /// A row for each of its values.
  let rows: Setting?
  /// A column for each of its values.
  let columns: Setting?

  /// What the command line says of all jobs. A random seed is drawn once: pictures with other noise could not be
  /// compared.
  /// - Throws: `RequestError`, `Problem`
  static func options(_ drafts: [RequestDraft], for enqueuing: Enqueuing) throws -> JobOptions {
    try drafts.check(enqueuing.known, for: enqueuing.location.place)
    var options = JobOptions(drafts: drafts, maxAttempts: 3)
    options.sharesSeed = true
    return options
  }

  /// Enqueues, waits and writes the sheet.
  /// - Parameter file: checked before.
  /// - Throws: `Problem` as `Waiting`; `JobStoreError`, `ImageError`.
  func run(_ source: inout PromptSource, to file: OutputFile) throws {
    let files = try sharedOption.pictures(of: enqueuing.location.place)
    let enqueued = try enqueuing.put(&source, as: BatchRequest())
    let store = try enqueuing.location.open(for: .reading)
    let advice = advice(enqueued.batch)
    let listener = SignalListener { number in
      complain("batch \(enqueued.batch) stays queued; \(advice)")
      SignalListener.end(by: number)
    }
    defer { withExtendedLifetime(listener) {} }
    var isSettled = false
    var lost = 0
    do {
      try Waiting(store: store, batch: enqueued.batch, isJSON: format.json, notify: nil).run {
        let sheet = try BatchSheet(
          batch: enqueued.batch, in: store, rows: rows, columns: columns, files: files)
        // Nothing can be shown if all failed; why, is said next.
        if sheet.pictures == 0, let problem = sheet.problems.first { throw problem }
        if sheet.pictures > 0 {
          try output.write(sheet, of: enqueued.batch, to: file, isJSON: format.json)
        }
        isSettled = true
        lost = sheet.problems.count
      }
    } catch {
      // The pictures are not lost with the command.
      if !isSettled { complain("batch \(enqueued.batch) is in the queue; \(advice)") }
      throw error
    }
    guard lost == 0 else {
      throw Problem.missing(
        "\(TerminalText.count(lost, "picture")) of batch \(enqueued.batch) can be had nowhere")
    }
  }

  /// The command that makes the sheet later.
  private func advice(_ batch: Int64) -> String {
    var words = ["segmoectl", "sheet", "\(batch)"]
    let location = enqueuing.location
    // An address may hold a password.
    if let database = location.database {
      words += ["--database", location.place.isFile ? database : "ADDRESS"]
    }
    if let shared = sharedOption.shared { words += ["--shared", shared] }
    for case (let option, let setting?) in [("--rows", rows), ("--columns", columns)] {
      words += [option, setting.name]
    }
    words += ["--output", output.output] + (output.force ? ["--force"] : [])
    return "`\(words.map(Self.quoted).joined(separator: " "))` makes the sheet when it is over"
  }

  /// A word as a shell reads it.
  private static func quoted(_ word: String) -> String {
    let isPlain = word.wholeMatch(of: #/[A-Za-z0-9_.,:=@%+\/-]+/#) != nil
    return isPlain ? word : "'\(word.replacing("'", with: "'\\''"))'"
  }
}
