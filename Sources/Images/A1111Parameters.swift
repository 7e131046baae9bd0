/// The settings of one picture in the text form that AUTOMATIC1111 and its readers know.
///
/// It goes under the keyword `parameters`: the prompt, a line "Negative prompt: …" if there is one,
/// and a last line of "Key: value" pairs.
package struct A1111Parameters: Sendable, Equatable {
  /// A further setting, shown as "key: value".
  package struct Pair: Sendable, Equatable {
    /// At least two letters, digits, spaces, underscores, hyphens or slashes.
    package let key: String
    /// Any text; an empty one is left out, since readers stumble over it.
    package let value: String

    /// A further setting.
    package init(_ key: String, _ value: String) {
      self.key = key
      self.value = value
    }
  }

  /// What the picture shows.
  package var prompt: String
  /// What it avoids; empty if nothing was said.
  package var negativePrompt: String
  /// Denoising steps.
  package var steps: Int
  /// The sampler as readers know it: `Euler a`.
  package var sampler: String
  /// The guidance scale.
  package var cfgScale: Double
  /// The seed that this picture was made with.
  package var seed: UInt64
  /// Width in pixels.
  package var width: Int
  /// Height in pixels.
  package var height: Int
  /// The first digits of the model's digest, or nil.
  package var modelHash: String?
  /// The model's name, or nil.
  package var model: String?
  /// Further pairs, between the model and the version.
  package var extra: [Pair]
  /// The program and its version, or nil.
  package var version: String?

  /// Settings of one picture.
  package init(
    prompt: String, negativePrompt: String = "", steps: Int, sampler: String, cfgScale: Double, seed: UInt64,
    width: Int, height: Int, modelHash: String? = nil, model: String? = nil, extra: [Pair] = [],
    version: String? = nil
  ) {
    self.prompt = prompt
    self.negativePrompt = negativePrompt
    self.steps = steps
    self.sampler = sampler
    self.cfgScale = cfgScale
    self.seed = seed
    self.width = width
    self.height = height
    self.modelHash = modelHash
    self.model = model
    self.extra = extra
    self.version = version
  }

  /// The text form.
  /// - Throws: `ImageError.badText` for a further key that no reader would recognize.
  package func text() throws(ImageError) -> String {
    var pairs = [
      Pair("Steps", String(steps)), Pair("Sampler", sampler), Pair("CFG scale", Self.short(cfgScale)),
      Pair("Seed", String(seed)), Pair("Size", "\(width)x\(height)"), Pair("Model hash", modelHash ?? ""),
      Pair("Model", model ?? ""),
    ]
    for pair in extra {
      guard A1111Reader.isKey(pair.key) else {
        throw .badText(
          keyword: pair.key,
          reason: "a setting's name has two or more letters, digits, spaces, '_', '-' or '/'")
      }
      pairs.append(pair)
    }
    pairs.append(Pair("Version", version ?? ""))
    let settings = pairs.filter { !$0.value.isEmpty }.map { "\($0.key): \(Self.quoted($0.value))" }
    let negative = negativePrompt.isEmpty ? "" : "\nNegative prompt: \(negativePrompt)"
    return "\(prompt)\(negative)\n\(settings.joined(separator: ", "))"
  }

  /// The text form as a text chunk.
  package func pngText() throws(ImageError) -> PNGText {
    PNGText(keyword: "parameters", text: try text())
  }

  /// 7.5 and 7 rather than 7.0.
  private static func short(_ number: Double) -> String {
    Int(exactly: number).map(String.init) ?? String(number)
  }

  /// The value as a JSON string if a reader would otherwise misread it: cut it at a comma, a colon or a line break,
  /// trim it, or take it for a quoted one.
  static func quoted(_ value: String) -> String {
    let cuts = value.unicodeScalars.contains {
      $0 == "," || $0 == ":" || $0.properties.isWhitespace && $0 != " "
    }
    guard cuts || value.hasPrefix("\"") || value.hasPrefix(" ") || value.hasSuffix(" ") else { return value }
    var text = "\""
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      case _ where scalar.value < 0x20 || scalar.value == 0x7F:
        let digits = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: text.unicodeScalars.append(scalar)
      }
    }
    return text + "\""
  }
}
