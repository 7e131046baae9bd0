import Checkpoints

extension CLIPTokenizer {
  /// Reads a tokenizer folder in either layout: one `tokenizer.json`, or `vocab.json` and `merges.txt`. It also reads
  /// `tokenizer_config.json`, `special_tokens_map.json` and `added_tokens.json` if they exist. As in transformers,
  /// `tokenizer.json` takes precedence, and only its vocabulary, merges, added tokens and post-processor count. The
  /// other steps are fixed for CLIP.
  /// - Throws: `missingFile`, `malformed`, `badConfig`.
  package init(folder: ComponentFolder) throws {
    let files = try TokenizerFiles(folder: folder)
    let names = files.specialNames
    guard let unknown = names["unk_token"], let start = names["bos_token"], let end = names["eos_token"],
      let pad = names["pad_token"]
    else {
      throw CheckpointError.malformed(path: folder.path, reason: "names no start, end, unknown or pad token")
    }
    let vocabulary = try CLIPVocabulary(
      ids: files.vocabulary, merges: files.merges, unknownToken: unknown, path: files.vocabularyPath)
    let added = try files.addedTokens()
    func id(of content: String) throws -> Int32 {
      guard let id = added.first(where: { $0.content == content })?.id ?? files.vocabulary[content] else {
        throw CheckpointError.malformed(
          path: files.vocabularyPath, reason: "the special token '\(content)' is not in the vocabulary")
      }
      return id
    }
    let frame = Frame(
      startToken: try files.framingIDs?.start ?? id(of: start),
      endToken: try files.framingIDs?.end ?? id(of: end),
      padToken: try id(of: pad), maximumLength: try files.maximumLength())
    self.init(vocabulary: vocabulary, addedTokens: added, frame: frame)
  }
}

/// What the files of a tokenizer folder say, merged by the rules of transformers 5.
private struct TokenizerFiles {
  /// Tokens by text, and merges in order of rank.
  let vocabulary: [String: Int32]
  let merges: [(left: String, right: String)]
  /// The file they are from.
  let vocabularyPath: String
  /// The post-processor's ids in `tokenizer.json`.
  let framingIDs: (start: Int32, end: Int32)?
  /// `bos_token` and so on: the token's text.
  let specialNames: [String: String]
  private let config: ConfigObject
  private let declarations: [Declaration]

  /// A token that a file says is to be recognised in the text.
  private struct Declaration {
    let content: String
    let options: ConfigObject?
    /// Whether it is matched in the normalized text, unless the options say otherwise.
    var isNormalized = false
  }

  private static let specialKeys = [
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token",
  ]
  private static let listKeys = ["extra_special_tokens", "additional_special_tokens"]
  private static let defaults = [
    "bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>",
    "pad_token": "<|endoftext|>",
  ]

  /// The real `tokenizer.json` of CLIP has 2 to 4 MB.
  private static let largest = 16 << 20
  /// Tokens beside the vocabulary: CLIP's two, and one for each vector of the words that a model was taught.
  private static let mostAdded = 10_000

  init(folder: ComponentFolder) throws {
    var config =
      try folder.has("tokenizer_config.json")
      ? ConfigObject(contentsOf: folder.path(of: "tokenizer_config.json"))
      : ConfigObject(path: folder.path(of: "tokenizer_config.json"), values: [:])
    var declared: [Declaration] = []
    if folder.has("tokenizer.json") {
      let file = try TokenizerJSON(path: folder.path(of: "tokenizer.json"), limit: Self.largest)
      (vocabulary, merges, vocabularyPath) = (file.vocabulary, file.merges, file.path)
      framingIDs = file.framingIDs
      if config["added_tokens_decoder"] == nil { declared += try Self.declarations(file.addedTokens) }
    } else {
      vocabularyPath = folder.path(of: "vocab.json")
      vocabulary = try Self.vocabulary(path: vocabularyPath)
      merges = try MergesText.read(path: folder.path(of: "merges.txt"), limit: Self.largest)
      framingIDs = nil
    }
    if let decoder = try config.objectIfPresent("added_tokens_decoder") {
      let sorted = decoder.values.keys.sorted { (Int($0) ?? 0) < (Int($1) ?? 0) }
      declared += try Self.declarations(sorted.compactMap { try decoder.objectIfPresent($0) })
    } else {
      // The older files count only in this case. They override the configuration.
      if folder.has("special_tokens_map.json") {
        let map = try ConfigObject(contentsOf: folder.path(of: "special_tokens_map.json"))
        config = ConfigObject(path: config.path, values: config.values.merging(map.values) { $1 })
      }
      if folder.has("added_tokens.json") {
        declared += try Self.legacyDeclarations(path: folder.path(of: "added_tokens.json"), config: config)
      }
    }
    (specialNames, declarations) = try Self.specials(config: config, declared: declared)
    self.config = config
  }

  private static func vocabulary(path: String) throws -> [String: Int32] {
    guard
      case .object(let values) = try JSONValue(contentsOf: path, limit: largest, purpose: "the vocabulary")
    else { throw CheckpointError.malformed(path: path, reason: "not an object of tokens and ids") }
    return try TokenizerJSON.ids(values, path: path)
  }

  /// The special tokens' texts, and everything that is to be recognised, in the order transformers adds it.
  private static func specials(
    config: ConfigObject, declared: [Declaration]
  ) throws -> (names: [String: String], declarations: [Declaration]) {
    var names = defaults
    var declarations = declared
    for key in specialKeys {
      if let value = config[key] {
        let special = try declaration(value, key: key, config: config)
        names[key] = special.content
        // A token that was declared with options keeps them; the special name changes nothing.
        if !declared.contains(where: { $0.content == special.content }) { declarations.append(special) }
      } else if let content = names[key], !declared.contains(where: { $0.content == content }) {
        declarations.append(Declaration(content: content, options: nil))
      }
    }
    for key in listKeys {
      guard case .array(let values) = config[key] else { continue }
      declarations += try values.map { try declaration($0, key: key, config: config) }
    }
    return (names, declarations)
  }

  private static func declarations(_ options: [ConfigObject]) throws -> [Declaration] {
    try options.map { Declaration(content: try $0.string("content"), options: $0) }
  }

  private static func declaration(_ value: JSONValue, key: String, config: ConfigObject) throws -> Declaration
  {
    switch value {
    case .string(let content): return Declaration(content: content, options: nil)
    case .object(let values):
      let options = ConfigObject(path: config.path, values: values, place: key + ".")
      return Declaration(content: try options.string("content"), options: options)
    default: throw config.error(key, "is \(value.kind), expected a text or a token with options")
    }
  }

  /// `added_tokens.json`: texts and ids. Those that are not special match the normalized text.
  private static func legacyDeclarations(path: String, config: ConfigObject) throws -> [Declaration] {
    let file = try ConfigObject(contentsOf: path)
    let specials = try Set(
      specialKeys.compactMap { key in
        try config[key].map { try declaration($0, key: key, config: config).content }
      })
    let ids = try TokenizerJSON.ids(file.values, path: path)
    return ids.sorted { $0.value < $1.value }.map { content, _ in
      Declaration(content: content, options: nil, isNormalized: !specials.contains(content))
    }
  }

  /// The tokens to recognise, with ids. One that the vocabulary lacks gets the next free id, in order of
  /// declaration; of several declarations of a text the last counts.
  func addedTokens() throws -> [AddedToken] {
    guard declarations.count <= Self.mostAdded else {
      throw config.error(
        "added_tokens_decoder", "declares \(declarations.count) tokens, more than \(Self.mostAdded)")
    }
    var tokens: [AddedToken] = []
    var places: [String: Int] = [:]
    var next = Int32(vocabulary.count)
    for declaration in declarations where !declaration.content.isEmpty {
      guard declaration.content.utf8.count <= 1000 else {
        throw config.error("added_tokens_decoder", "holds a token of more than 1000 bytes")
      }
      let old = places[declaration.content]
      let id = old.map { tokens[$0].id } ?? vocabulary[declaration.content] ?? next
      var token = AddedToken(content: declaration.content, id: id)
      if let options = declaration.options {
        token.isNormalized = try options.bool("normalized", default: !options.bool("special", default: true))
        token.stripsLeft = try options.bool("lstrip", default: false)
        token.stripsRight = try options.bool("rstrip", default: false)
        token.isSingleWord = try options.bool("single_word", default: false)
      } else {
        token.isNormalized = declaration.isNormalized
      }
      next = max(next, id + 1)
      places[token.content] = old ?? tokens.count
      if let old { tokens[old] = token } else { tokens.append(token) }
    }
    return tokens
  }

  /// 77, or what the configuration says. Where no length was set, Python wrote 10^30.
  func maximumLength() throws -> Int {
    guard case .integer = config["model_max_length"] else { return 77 }
    return try config.int("model_max_length", in: 2...100_000)
  }
}
