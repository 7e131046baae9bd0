import CommandLine
import Foundation
import JobStore
import Requests

/// All prompts of one enqueue, in order: those on the command line, then the lines of the file.
struct PromptSource {
  private var prompts: ArraySlice<String>
  private var lines: LineReader?
  private let options: RequestDraft
  private let priority: Int?
  private let runAfter: Milliseconds?
  private let maxAttempts: Int
  private var paths = PathResolver()
  /// The settings of plain prompts. They are the same for all, so they are checked and resolved once.
  private var plain: RenderRequest?

  /// - Throws: `Problem`
  init(
    prompts: [String], file: String?, options: RequestDraft, priority: Int?, runAfter: Milliseconds?,
    maxAttempts: Int
  ) throws {
    self.prompts = prompts[...]
    self.options = options
    self.priority = priority
    self.runAfter = runAfter
    self.maxAttempts = maxAttempts
    if let file {
      lines = try LineReader(path: file)
    } else if prompts.isEmpty {
      // Reading from a terminal would look as if the program hung.
      guard isatty(STDIN_FILENO) == 0 else {
        throw Problem.usage("no prompt: give one as an argument, with --file, or on standard input")
      }
      lines = try LineReader(path: "-")
    }
  }

  /// The next request, nil after the last.
  /// - Throws: `Problem` and `RequestError`, naming file and line.
  mutating func next() throws -> JobRequest? {
    if let prompt = prompts.popFirst() {
      guard String(validating: prompt.utf8, as: UTF8.self) != nil, !prompt.unicodeScalars.contains("\u{FFFD}")
      else {
        throw Problem.badInput(
          "prompt '\(prompt.prefix(40))' is not UTF-8; set a UTF-8 locale, or use --file")
      }
      let request = try plainRequest(prompt)
      try request.validate()
      return request
    }
    while let line = try lines?.next() {
      guard line.contains(where: { !$0.isWhitespace }) else { continue }
      return try request(fromLine: line)
    }
    return nil
  }

  /// The message if there was no prompt at all.
  var isEmptyProblem: Problem {
    guard let lines else { return .usage("no prompt") }
    return .badInput("\(lines.name): no prompt in it; write one a line")
  }

  private mutating func request(fromLine line: String) throws -> JobRequest {
    let place = lines?.place ?? "prompt"
    do {
      let request: JobRequest
      if line.hasPrefix("{") {
        let parsed = try PromptLine.parse(line)
        let render = try resolved(parsed.draft.over(options))
        request = job(render, priority: parsed.priority ?? priority)
      } else {
        request = try plainRequest(line)
      }
      try request.validate()
      return request
    } catch let problem as Problem {
      // A missing model is an error of the command line, not of the line.
      throw problem.at(place)
    } catch let error as RequestError {
      if case .missingFile = error { throw Problem.missing("\(place): \(error)") }
      throw Problem.badInput("\(place): \(error)")
    }
  }

  private mutating func plainRequest(_ prompt: String) throws -> JobRequest {
    var render = try plain ?? resolved(options)
    plain = render
    render.prompt = prompt
    return job(render, priority: priority)
  }

  /// The complete request, with absolute paths of files that exist.
  private mutating func resolved(_ draft: RequestDraft) throws -> RenderRequest {
    guard draft.given.contains("model") else { throw Problem.usage("no model: name one with --model") }
    var request = draft.complete
    // Values before files, as `segmoe render` has it: of two mistakes both programs name the same.
    try request.validate()
    try paths.resolve(&request)
    return request
  }

  private func job(_ render: RenderRequest, priority: Int?) -> JobRequest {
    var request = JobRequest(render)
    request.priority = priority ?? 0
    request.runAfter = runAfter
    request.maxAttempts = maxAttempts
    return request
  }
}
