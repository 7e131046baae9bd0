extension Setting {
  /// Every setting, in the order of the columns and of messages.
  package static let all: [Setting] = [
    Setting("model", \.model, rule: pathRule, check: path("model")),
    Setting("prompt", \.prompt, rule: textRule, check: text("prompt")),
    Setting("negative_prompt", \.negativePrompt, rule: textRule, check: optional(text("negative_prompt"))),
    Setting("width", \.width, rule: sideRule, accepts: isSide),
    Setting("height", \.height, rule: sideRule, accepts: isSide),
    Setting(
      "steps", \.steps, rule: { "use 1 to \($0.steps)" }, accepts: { (1...max(1, $1.steps)).contains($0) }),
    Setting(
      "guidance", \.guidance,
      rule: { "use a number from -\(short($0.guidance)) to \(short($0.guidance)), 7.5 is usual" },
      accepts: { $0.isFinite && abs($0) <= $1.guidance }),
    Setting(
      "guidance_rescale", \.guidanceRescale, rule: { _ in "use a number from 0 to 1, 0.7 is usual" },
      accepts: { value, _ in (0...1).contains(value) }),
    Setting(
      "guidance_from", \.guidanceFrom, rule: { _ in "use a share of the steps, 0 to 1" },
      accepts: { value, _ in (0...1).contains(value) }),
    Setting(
      "guidance_until", \.guidanceUntil, rule: { _ in "use a share of the steps, 0 to 1" },
      accepts: { value, _ in (0...1).contains(value) }),
    Setting("scheduler", \.scheduler, rule: { _ in SchedulerName.rule }, accepts: { _, _ in true }),
    Setting("sigmas", \.sigmas, rule: { _ in SigmaName.rule }, accepts: { _, _ in true }),
    Setting(
      "eta", \.eta, rule: { _ in "use a number from 0 to 1" },
      accepts: { eta, _ in eta.map { (0...1).contains($0) } ?? true }),
    Setting("timesteps", \.timesteps, rule: timestepRule, accepts: isTimesteps),
    Setting("sigma_list", \.sigmaList, rule: sigmaRule, accepts: isSigmas),
    Setting(
      "deep_cache", \.deepCache, rule: { _ in DeepCache.rule },
      accepts: { value, _ in value?.isInRange ?? true }),
    Setting(
      "token_merging", \.tokenMerging, rule: { _ in TokenMerging.rule },
      accepts: { value, _ in value?.isInRange ?? true }),
    Setting("seed", \.seed, rule: seedRule, accepts: { _, _ in true }),
    Setting("variation_seed", \.variationSeed, rule: seedRule, accepts: { _, _ in true }),
    Setting(
      "variation_strength", \.variationStrength,
      rule: { _ in "use a number from 0 to 1, 0.1 is a small change" },
      accepts: { value, _ in (0...1).contains(value) }),
    Setting(
      "count", \.count, rule: { "use 1 to \($0.count)" }, accepts: { (1...max(1, $1.count)).contains($0) }),
    Setting("precision", \.precision, rule: { _ in Precision.rule }, accepts: { _, _ in true }),
    Setting("loras", \.loras, rule: { "use at most \($0.loras)" }, check: checkLoRAs),
    Setting("embeddings", \.embeddings, rule: { "use at most \($0.embeddings)" }, check: checkEmbeddings),
    Setting(
      "clip_skip", \.clipSkip, rule: { _ in "use 0 to the number of the text encoder's layers" },
      accepts: { value, _ in (0...100).contains(value) }),
    Setting("plain_prompt", \.isPlainPrompt, rule: { _ in "use true or false" }, accepts: { _, _ in true }),
    Setting("vae", \.vae, rule: pathRule, check: optional(path("vae"))),
    Setting("init_image", \.initImage, rule: pathRule, check: optional(path("init_image"))),
    Setting(
      "strength", \.strength, rule: { _ in "use a number above 0, up to 1" },
      accepts: { value, _ in value.map { $0 > 0 && $0 <= 1 } ?? true }),
    Setting("mask", \.mask, rule: pathRule, check: optional(path("mask"))),
    Setting(
      "original_size", \.originalSize, rule: { _ in PixelSize.rule },
      accepts: { size, _ in size?.isInRange ?? true }),
    Setting(
      "crop", \.crop, rule: { _ in PixelPoint.rule }, accepts: { point, _ in point?.isInRange ?? true }),
    Setting(
      "target_size", \.targetSize, rule: { _ in PixelSize.rule },
      accepts: { size, _ in size?.isInRange ?? true }),
    Setting("memory_budget", \.memoryBudget, rule: { _ in ByteCount.rule }, accepts: { _, _ in true }),
  ]

  @Sendable private static func seedRule(_ limits: RenderLimits) -> String {
    "use 0 to \(UInt64.max), or random"
  }

  @Sendable private static func sideRule(_ limits: RenderLimits) -> String {
    "use a multiple of 8 pixels, up to \(limits.side)"
  }

  /// Every Stable Diffusion model has at least 8 pixels per latent. A model that needs a larger multiple checks it
  /// itself.
  @Sendable private static func isSide(_ side: Int?, _ limits: RenderLimits) -> Bool {
    side.map { $0 > 0 && $0 % 8 == 0 && $0 <= limits.side } ?? true
  }

  @Sendable private static func timestepRule(_ limits: RenderLimits) -> String {
    "use 1 to \(limits.steps) falling whole numbers with commas, such as 999,700,300"
  }

  @Sendable private static func isTimesteps(_ list: NumberList<Int>?, _ limits: RenderLimits) -> Bool {
    guard let list else { return true }
    return (1...max(1, limits.steps)).contains(list.numbers.count) && list.isFalling
      && list.numbers.allSatisfy { $0 >= 0 }
  }

  @Sendable private static func sigmaRule(_ limits: RenderLimits) -> String {
    "use 2 to \(limits.steps + 1) falling numbers with commas, the last of which may be 0, such as 14.6,3,0.5,0"
  }

  @Sendable private static func isSigmas(_ list: NumberList<Double>?, _ limits: RenderLimits) -> Bool {
    guard let list else { return true }
    return (2...max(2, limits.steps + 1)).contains(list.numbers.count) && list.isFalling
      && list.numbers.allSatisfy { $0 >= 0 && $0 < 1e6 }
  }

  @Sendable private static func textRule(_ limits: RenderLimits) -> String {
    "use at most \(limits.promptBytes) bytes"
  }

  @Sendable private static func pathRule(_ limits: RenderLimits) -> String {
    "use a name or path of 1 to \(limits.pathBytes) bytes"
  }

  /// 1000 rather than 1000.0.
  private static func short(_ number: Double) -> String {
    Int(exactly: number).map { "\($0)" } ?? "\(number)"
  }

  private static func optional<Value>(
    _ check: @escaping @Sendable (Value, RenderLimits) throws -> Void
  ) -> @Sendable (Value?, RenderLimits) throws -> Void {
    { value, limits in
      if let value { try check(value, limits) }
    }
  }

  private static func text(_ name: String) -> @Sendable (String, RenderLimits) throws -> Void {
    { value, limits in
      guard value.utf8.count <= limits.promptBytes else {
        throw RequestError.invalid(
          setting: name, value: "\(value.utf8.count) bytes long", rule: textRule(limits))
      }
      // SQLite's functions stop at a zero byte, so text after one would be invisible.
      guard !value.utf8.contains(0) else {
        throw RequestError.invalid(
          setting: name, value: "text with a zero byte", rule: "remove it (is the file UTF-16?)")
      }
    }
  }

  private static func path(_ name: String) -> @Sendable (String, RenderLimits) throws -> Void {
    { value, limits in
      guard !value.isEmpty, value.utf8.count <= limits.pathBytes, !value.utf8.contains(0) else {
        throw RequestError.invalid(setting: name, value: "'\(value.prefix(40))'", rule: pathRule(limits))
      }
    }
  }

  @Sendable private static func checkLoRAs(_ loras: [LoRAReference], _ limits: RenderLimits) throws {
    guard loras.count <= limits.loras else {
      throw RequestError.invalid(
        setting: "loras", value: "\(loras.count) files", rule: "use at most \(limits.loras)")
    }
    for lora in loras {
      try path("lora")(lora.path, limits)
      guard lora.weight.isFinite, abs(lora.weight) <= 100 else {
        throw RequestError.invalid(
          setting: "weight of lora \(lora.path)", value: "\(lora.weight)",
          rule: "use a number from -100 to 100")
      }
    }
  }

  @Sendable private static func checkEmbeddings(
    _ embeddings: [EmbeddingReference], _ limits: RenderLimits
  ) throws {
    guard embeddings.count <= limits.embeddings else {
      throw RequestError.invalid(
        setting: "embeddings", value: "\(embeddings.count) files", rule: "use at most \(limits.embeddings)")
    }
    for embedding in embeddings {
      try path("embedding")(embedding.path, limits)
      guard let token = embedding.token else { continue }
      guard token.contains(where: { !$0.isWhitespace }), token.utf8.count <= 200, !token.utf8.contains(0)
      else {
        throw RequestError.invalid(
          setting: "token of embedding \(embedding.path)", value: "'\(token.prefix(40))'",
          rule: "use 1 to 200 bytes")
      }
    }
  }
}
