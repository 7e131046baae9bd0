/// The settings that were given, on a command line or in a line of JSON. The others may come from elsewhere.
package struct RequestDraft: Sendable, Equatable {
  /// What was given, as it was given; the others have their defaults.
  var settings = RenderRequest()
  /// The names of the settings that were given.
  package internal(set) var given: Set<String> = []

  /// The seeds that are given as `random` or -1: every job gets some of its own, and keeps them.
  var randomSeeds: Set<String> = []

  /// The settings that are seeds.
  private static let seeds: [(name: String, path: WritableKeyPath<RenderRequest, UInt64> & Sendable)] = [
    ("seed", \.seed), ("variation_seed", \.variationSeed),
  ]

  /// Whether a setting is a seed.
  static func isSeed(_ name: String) -> Bool { seeds.contains { $0.name == name } }

  /// Gives a request the seeds that nobody chose.
  /// - Parameters:
  ///   - request: of this draft.
  ///   - next: another random seed.
  package func drawSeeds(_ request: inout RenderRequest, _ next: () -> UInt64) {
    for seed in Self.seeds where randomSeeds.contains(seed.name) { request[keyPath: seed.path] = next() }
  }

  /// A draft in which nothing is given.
  package init() {}

  /// The given settings. The others have their defaults. A schedule with steps of its own says how many there are, if
  /// nobody else does.
  package var request: RenderRequest {
    var request = settings
    if !given.contains("steps"), let steps = settings.listedSteps { request.steps = steps }
    return request
  }

  /// A draft in which everything is given.
  package init(whole request: RenderRequest) {
    settings = request
    given = Set(Setting.all.map(\.name))
  }

  /// The prompt, if it is given.
  package var prompt: String? { given.contains("prompt") ? settings.prompt : nil }

  /// The seed, if it is given and no random one.
  package var seed: UInt64? { given.contains("seed") && !randomSeeds.contains("seed") ? settings.seed : nil }

  /// A seed that nobody chose. It has 32 bits, as everywhere in this field, so that other programs take it.
  package static func randomSeed(_ generator: inout some RandomNumberGenerator) -> UInt64 {
    UInt64(UInt32.random(in: 0 ... .max, using: &generator))
  }

  /// Whether a text asks for a random seed.
  static func isRandom(_ seed: String) -> Bool { seed == "random" || seed == "-1" }

  /// Sets a setting from a text. A method's name that says a schedule too sets both.
  /// - Throws: `RequestError.invalid` for a text that is no such value, `.unknownSetting`.
  package mutating func read(_ name: String, _ text: String) throws {
    guard let setting = Setting.named(name) else {
      throw RequestError.unknownSetting(name: name, known: Setting.all.map(\.name))
    }
    if name == "scheduler", takeFused(text) { return }
    let isRandom = Self.isSeed(name) && Self.isRandom(text)
    guard isRandom || setting.read(text, &settings) else {
      throw RequestError.invalid(
        setting: name, value: "'\(text.prefix(40))'", rule: setting.rule(RenderLimits()))
    }
    given.insert(name)
    if isRandom { randomSeeds.insert(name) } else { randomSeeds.remove(name) }
  }

  /// Sets a setting to a value.
  package mutating func give<Value>(
    _ name: String, _ path: WritableKeyPath<RenderRequest, Value>, _ value: Value
  ) {
    settings[keyPath: path] = value
    given.insert(name)
    randomSeeds.remove(name)
  }

  /// This draft's settings where they are given, else those of `others`.
  package func over(_ others: RequestDraft) -> RequestDraft {
    var result = others
    for setting in Setting.all where given.contains(setting.name) {
      setting.copy(settings, &result.settings)
      if randomSeeds.contains(setting.name) {
        result.randomSeeds.insert(setting.name)
      } else {
        result.randomSeeds.remove(setting.name)
      }
      result.given.insert(setting.name)
    }
    return result
  }
}
