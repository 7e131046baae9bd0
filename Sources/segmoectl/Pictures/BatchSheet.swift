import CommandLine
import Images
import JobStore
import Requests
import SharedFiles

/// The pictures of a batch in rows and columns, each labelled by the settings in which they differ.
struct BatchSheet {
  let sheet: LabelledSheet
  /// How many pictures are finished.
  let pictures: Int
  /// How many are not, or can be had nowhere.
  let missing: Int
  /// What is wrong with those that can be had nowhere.
  let problems: [Problem]

  /// A picture, finished or not.
  private struct Entry {
    /// The request of this picture alone.
    let request: RenderRequest
    var content: LabelledSheet.Cell.Content
  }

  /// - Parameters:
  ///   - batch: its number.
  ///   - store: the queue.
  ///   - rows: a setting with a row for each of its values; nil: none.
  ///   - columns: a setting with a column for each of its values; nil: none.
  ///   - files: where finished pictures lie.
  /// - Throws: `JobStoreError`; `SharedError` if the shared place cannot be used.
  init(
    batch: Int64, in store: any JobQueue, rows: Setting?, columns: Setting?, files: SharedPictures
  ) throws {
    let (entries, problems) = try Self.entries(batch, store, files)
    self.problems = problems
    pictures = entries.filter { if case .picture = $0.content { true } else { false } }.count
    missing = entries.count - pictures
    guard let first = entries.first else {
      sheet = LabelledSheet(cells: [])
      return
    }
    let heads = [rows?.name, columns?.name]
    let others = Setting.all.filter { setting in
      !heads.contains(setting.name)
        && entries.contains { setting.stored($0.request) != setting.stored(first.request) }
    }
    let cells = entries.map { entry in
      LabelledSheet.Cell(
        entry.content, label: others.map { SettingLabel.text($0, entry.request) }.joined(separator: ", "))
    }
    guard rows != nil || columns != nil else {
      sheet = LabelledSheet(cells: cells)
      return
    }
    let requests = entries.map(\.request)
    let (rowPlaces, rowTexts) = Self.values(of: rows, requests)
    let (columnPlaces, columnTexts) = Self.values(of: columns, requests)
    var result = LabelledSheet(rows: [], columnHeaders: columns == nil ? [] : columnTexts)
    for (row, head) in rowTexts.enumerated() {
      let members = cells.indices.filter { rowPlaces[$0] == row }
      let lines =
        columns == nil
        ? [members.map { cells[$0] }]
        : Self.lines(
          columnTexts.indices.map { column in
            members.filter { columnPlaces[$0] == column }.map { cells[$0] }
          })
      result.rows += lines
      if rows != nil { result.rowHeaders += [head] + lines.dropFirst().map { _ in "" } }
    }
    sheet = result
  }

  /// Pictures that have the same place lie one below the other.
  private static func lines(_ columns: [[LabelledSheet.Cell]]) -> [[LabelledSheet.Cell]] {
    (0..<(columns.map(\.count).max() ?? 0)).map { line in
      columns.map { line < $0.count ? $0[line] : LabelledSheet.Cell(.nothing) }
    }
  }

  /// The number of each request's value, and the texts of the values, in the order in which they come.
  private static func values(of setting: Setting?, _ requests: [RenderRequest]) -> ([Int], [String]) {
    guard let setting else { return (requests.map { _ in 0 }, [""]) }
    var values: [StoredValue] = []
    var samples: [RenderRequest] = []
    let places = requests.map { request in
      let value = setting.stored(request)
      if let known = values.firstIndex(of: value) { return known }
      values.append(value)
      samples.append(request)
      return values.count - 1
    }
    let texts = samples.map { SettingLabel.text(setting, $0) }
    guard Set(texts).count < texts.count else { return (places, texts) }
    return (places, samples.map { SettingLabel.text(setting, $0, isWhole: true) })
  }

  private static func entries(
    _ batch: Int64, _ store: any JobQueue, _ files: SharedPictures
  ) throws -> ([Entry], [Problem]) {
    var problems: [Problem] = []
    var filter = JobFilter()
    filter.batch = batch
    let requests = Dictionary(
      try store.jobs(batch: batch).map { ($0.id, $0.request.render) }, uniquingKeysWith: { first, _ in first }
    )
    let entries = try store.list(filter).flatMap { job -> [Entry] in
      // A job that came between the two readings comes into the next sheet.
      guard let whole = requests[job.id] else { return [] }
      return try job.images.map { image in
        var one = whole
        (one.seed, one.count) = (image.seed, 1)
        var entry = Entry(request: one, content: .missing(reason: reason(job, image)))
        guard let record = image.record else { return entry }
        do {
          entry.content = .picture(path: try files.path(of: record, job: job.id))
        } catch {
          // The others are shown all the same, unless the next one would end as this one does.
          guard let problem = problem(of: error) else { throw error }
          problems.append(problem)
          entry.content = .missing(reason: "not to be had from here")
        }
        return entry
      }
    }
    return (entries, problems)
  }

  /// What is wrong with one picture alone; nil: it is something else.
  private static func problem(of error: any Error) -> Problem? {
    switch error {
    case let problem as Problem: problem
    case SharedError.damaged, SharedError.tooLarge: Problem(error)
    default: nil
    }
  }

  /// Why there is no picture.
  private static func reason(_ job: JobSummary, _ image: JobSummary.Image) -> String {
    switch job.state {
    case .done: "removed"
    case .failed: "failed: \(job.failure?.message ?? "no reason is known")"
    case .running: "running: \(image.step) of \(image.steps) steps"
    case .queued where job.waitsFor != nil: "waiting for \(job.waitsFor ?? "its model")"
    case .queued, .cancelled: JobTable.state(job)
    }
  }
}
