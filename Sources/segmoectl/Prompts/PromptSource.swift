import CommandLine
import Foundation
import JobStore
import Requests
import Templates

/// All prompts of one enqueue, in order: those on the command line, then those of the file.
struct PromptSource {
  private var prompts: ArraySlice<String>
  private var file: PromptFile?
  private let options: JobOptions
  private var paths: PathResolver
  /// The settings of plain prompts. They are the same for all, so they are checked and resolved once.
  private var plain: [RenderRequest]?
  private var check = RequestCheck()
  private var seeds: SeedDraw
  /// The rest of the requests of the prompt at hand: one for each combination of settings.
  private var waiting: ArraySlice<JobRequest> = []
  /// nil: prompts are no templates.
  private(set) var templates: TemplateExpander?
  /// The template at hand, and what is left of its texts.
  private var atHand: (found: FoundPrompt, texts: TemplateTexts)?
  /// How many texts came from templates, and from the one at hand.
  private(set) var texts = 0
  private var textsAtHand = 0

  /// For prompts that name no model or a wrong one, and to say what they ignore.
  private let models: KnownModels
  /// The names of models that are right.
  private var checked: Set<String> = []
  /// What changes nothing, said once each.
  private(set) var notices: [String] = []

  /// - Parameters:
  ///   - prompts: on the command line.
  ///   - file: path of a file; nil: standard input, unless there are prompts.
  ///   - format: how the file is written.
  ///   - options: what the command line says of all jobs.
  ///   - key: the idempotency key: with one, random seeds are the same at every try.
  ///   - templates: makes prompts of templates; nil: prompts are none.
  ///   - models: that the queue knows.
  ///   - share: as `PathResolver` has it.
  /// - Throws: `Problem`
  init(
    prompts: [String], file: String?, format: PromptFormat, options: JobOptions, key: String?,
    templates: TemplateExpander?, models: KnownModels, share: PathResolver.Share? = nil
  ) throws {
    self.models = models
    paths = PathResolver(names: models.names, share: share)
    self.prompts = prompts[...]
    self.options = options
    self.templates = templates
    let hasTemplates = templates != nil
    seeds = SeedDraw(key: key, isShared: options.sharesSeed)
    if let file {
      self.file = try PromptFile(path: file, format: format, hasTemplates: hasTemplates)
    } else if prompts.isEmpty {
      // Reading from a terminal would look as if the program hung.
      guard isatty(STDIN_FILENO) == 0 else {
        throw Problem.usage("no prompt: give one as an argument, with --file, or on standard input")
      }
      self.file = try PromptFile(path: "-", format: format, hasTemplates: hasTemplates)
    }
  }

  /// The next request, nil after the last.
  /// - Throws: `Problem` and `RequestError`, naming file and line.
  mutating func next() throws -> JobRequest? {
    while true {
      if let request = waiting.popFirst() { return request }
      if let (found, texts) = atHand {
        try expand(found, texts)
      } else if let found = try nextPrompt() {
        try Self.placed(found.place) { try take(found) }
      } else {
        return nil
      }
    }
  }

  private mutating func take(_ found: FoundPrompt) throws {
    guard var expander = templates else {
      waiting = try requests(found.content)[...]
      return
    }
    defer { templates = expander }
    atHand = (found, try templateTexts(found.content, by: &expander))
  }

  private mutating func nextPrompt() throws -> FoundPrompt? {
    guard let prompt = prompts.popFirst() else { return try file?.next() }
    try Self.checkEncoding(of: prompt)
    return FoundPrompt(content: .plain(prompt), place: nil)
  }

  /// Checks that a prompt of the command line came through whole.
  /// - Throws: `Problem`
  static func checkEncoding(of prompt: String) throws {
    guard String(validating: prompt.utf8, as: UTF8.self) != nil, !prompt.unicodeScalars.contains("\u{FFFD}")
    else {
      throw Problem.badInput(
        "prompt '\(prompt.prefix(40))' is not UTF-8; set a UTF-8 locale, or use --file")
    }
  }

  /// Whether a link had a token in it, which is not kept.
  var hasDroppedToken: Bool { paths.hasDroppedToken }

  /// The message if there was no prompt at all.
  var emptyProblem: Problem {
    guard let file else { return .usage("no prompt") }
    return .badInput("\(file.name): no prompt in it; write one a line")
  }

  private mutating func requests(_ content: FoundPrompt.Content) throws -> [JobRequest] {
    switch content {
    case .plain(let prompt): return try plainRequests(prompt)
    case .settings(let line):
      // What a line says itself is no part of the grid.
      var renders: [RenderRequest] = []
      for draft in options.drafts.map({ line.draft.over($0) }).distinct {
        renders.append(try resolved(draft))
      }
      return try jobs(renders, priority: line.priority)
    }
  }

  /// Errors of a file name the place in it.
  private static func placed<Result>(_ place: String?, _ body: () throws -> Result) throws -> Result {
    guard let place else { return try body() }
    do {
      return try body()
    } catch let problem as Problem {
      // A missing model is an error of the command line, not of the line.
      throw problem.at(place)
    } catch let error as RequestError {
      switch error {
      case .missingFile, .noSource: throw Problem.missing("\(place): \(error)")
      default: throw Problem.badInput("\(place): \(error.advice)")
      }
    }
  }

  // MARK: - Templates

  /// What becomes of a prompt that is a template. Its negative prompt is one, too, wherever it comes from.
  private mutating func templateTexts(
    _ content: FoundPrompt.Content, by expander: inout TemplateExpander
  ) throws -> TemplateTexts {
    let defaults = options.drafts.first ?? RequestDraft()
    let (prompt, draft) =
      switch content {
      case .plain(let prompt): (prompt, defaults)
      case .settings(let line): (line.draft.prompt ?? "", line.draft.over(defaults))
      }
    textsAtHand = 0
    return try expander.texts(
      prompt, negative: draft.request.negativePrompt, settings: options.drafts.count)
  }

  /// Goes on to the next text of the template at hand.
  private mutating func expand(_ found: FoundPrompt, _ rest: TemplateTexts) throws {
    guard let text = rest.next() else {
      atHand = nil
      let nothing = Problem.badInput("prompt: \(TemplateError(.nothing))")
      if textsAtHand == 0 { throw found.place.map(nothing.at) ?? nothing }
      return
    }
    textsAtHand += 1
    texts += 1
    waiting = try Self.placed(found.place) {
      switch found.content {
      case .plain: try plainRequests(text.prompt, negative: text.negative)[...]
      case .settings(let line): try requests(.settings(line.with(text)))[...]
      }
    }
  }

  /// - Parameters:
  ///   - prompt: the prompt.
  ///   - negative: the negative prompt; nil: that of the options.
  private mutating func plainRequests(_ prompt: String, negative: String? = nil) throws -> [JobRequest] {
    var renders = plain ?? []
    if plain == nil {
      for draft in options.drafts { renders.append(try resolved(draft)) }
    }
    plain = renders
    for index in renders.indices {
      renders[index].prompt = prompt
      if let negative { renders[index].negativePrompt = negative }
      options.drafts[index].drawSeeds(&renders[index]) { seeds.next() }
    }
    return try jobs(renders, priority: nil)
  }

  private mutating func jobs(_ renders: [RenderRequest], priority: Int?) throws -> [JobRequest] {
    var requests: [JobRequest] = []
    for render in renders {
      let request = options.job(render, priority: priority)
      try check.check(request)
      note(render)
      requests.append(request)
    }
    return requests
  }

  /// More are not worth reading.
  private static let mostNotices = 5

  private mutating func note(_ render: RenderRequest) {
    guard notices.count < Self.mostNotices else { return }
    for notice in render.notices(models) where !notices.contains(notice) { notices.append(notice) }
  }

  /// The complete request, with absolute paths of files that exist.
  private mutating func resolved(_ draft: RequestDraft) throws -> RenderRequest {
    var draft = draft
    if !draft.given.contains("model") { draft.give("model", \.model, try onlyModel) }
    var request = draft.complete
    draft.drawSeeds(&request) { seeds.next() }
    // Values before files, as `segmoe render` has it: of two mistakes both programs name the same.
    try request.validate()
    try paths.resolve(&request)
    if checked.insert(request.model).inserted { try models.check(request.model) }
    return request
  }

  /// More are not listed in a line.
  private static let mostNames = 20

  private var onlyModel: String {
    get throws {
      let names = models.usable.map(\.name)
      if names.count == 1 { return names[0] }
      let more = names.count > Self.mostNames ? " and \(names.count - Self.mostNames) more" : ""
      let known =
        names.isEmpty ? "" : "; known are \(names.prefix(Self.mostNames).joined(separator: ", "))\(more)"
      throw Problem.usage("no model: name one with --model\(known)")
    }
  }
}

extension PromptLine {
  /// The same settings with another text.
  fileprivate func with(_ text: TemplateTexts.Text) -> PromptLine {
    var draft = draft
    draft.give("prompt", \.prompt, text.prompt)
    if let negative = text.negative { draft.give("negative_prompt", \.negativePrompt, negative) }
    return PromptLine(draft: draft, priority: priority)
  }
}

extension [RequestDraft] {
  /// Without those that say the same as one before.
  fileprivate var distinct: [RequestDraft] {
    reduce(into: []) { found, draft in
      if !found.contains(draft) { found.append(draft) }
    }
  }
}

/// Random seeds. With an idempotency key they follow from it: else another try would be another batch.
private struct SeedDraw {
  private var state: UInt64?
  /// The seed of all; nil: each has its own.
  private var shared: UInt64?

  init(key: String?, isShared: Bool) {
    state = key.map { key in
      // FNV-1a.
      key.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }
    if isShared { shared = next() }
  }

  mutating func next() -> UInt64 {
    if let shared { return shared }
    guard var mixer = state.map({ SplitMix64(state: $0) }) else {
      var system = SystemRandomNumberGenerator()
      return RequestDraft.randomSeed(&system)
    }
    defer { state = mixer.state }
    return RequestDraft.randomSeed(&mixer)
  }
}
