/// What a request may ask for at most. The client applies the defaults, a daemon its configuration.
package struct RenderLimits: Sendable, Equatable {
  /// Pixels, of width and of height.
  package var side = 8192
  package var steps = 1000
  package var count = 1000
  /// UTF-8 bytes of a prompt. A model reads 77 tokens at a time; this only keeps nonsense out.
  package var promptBytes = 65_536
  package var loras = 64
  package var embeddings = 64

  /// The limits every client applies.
  package init() {}
}

extension JobRequest {
  /// Checks every field, alone and together.
  /// - Throws: `JobStoreError.invalidSetting` for the first that is wrong.
  package func validate(limits: RenderLimits = RenderLimits()) throws {
    try Check.text("prompt", prompt, limits: limits)
    if !(-1_000_000...1_000_000).contains(priority) {
      throw Check.failure("priority", priority, "use -1000000 to 1000000")
    }
    if !(1...100).contains(maxAttempts) {
      throw Check.failure("max_attempts", maxAttempts, "use 1 to 100")
    }
    try settings.validate(limits: limits)
  }
}

extension RenderSettings {
  /// Checks every field, alone and together.
  /// - Throws: `JobStoreError.invalidSetting` for the first that is wrong.
  package func validate(limits: RenderLimits = RenderLimits()) throws {
    try Check.path("model", model)
    try Check.text("negative_prompt", negativePrompt, limits: limits)
    for (name, side) in [("width", width), ("height", height)] {
      guard side > 0, side % 8 == 0, side <= limits.side else {
        throw Check.failure(name, side, "use a multiple of 8 from 8 to \(limits.side)")
      }
    }
    guard (1...max(1, limits.steps)).contains(steps) else {
      throw Check.failure("steps", steps, "use 1 to \(limits.steps)")
    }
    guard (1...max(1, limits.count)).contains(count) else {
      throw Check.failure("count", count, "use 1 to \(limits.count)")
    }
    guard guidance.isFinite, abs(guidance) <= 1000 else {
      throw Check.failure("guidance", guidance, "use a number from -1000 to 1000, 7.5 is usual")
    }
    // The last image's seed has to fit as well.
    guard seed >= 0, seed <= Int64.max - Int64(count) else {
      throw Check.failure("seed", seed, "use 0 to \(Int64.max - Int64(count))")
    }
    try validateLoRAs(limits: limits)
    try validateEmbeddings(limits: limits)
    guard (0...100).contains(clipSkip) else {
      throw Check.failure("clip_skip", clipSkip, "use 0 to the number of the text encoder's layers")
    }
    if let vae { try Check.path("vae", vae) }
    try validateInitialImage()
    try framing.validate()
    if let memoryBudget, memoryBudget < 1 {
      throw Check.failure("memory_budget", memoryBudget, "use a size like 4GiB")
    }
  }

  private func validateLoRAs(limits: RenderLimits) throws {
    guard loras.count <= limits.loras else {
      throw Check.failure("loras", "\(loras.count) files", "use at most \(limits.loras)")
    }
    for lora in loras {
      try Check.path("lora", lora.path)
      guard lora.weight.isFinite, abs(lora.weight) <= 100 else {
        throw Check.failure("weight of lora \(lora.path)", lora.weight, "use a number from -100 to 100")
      }
    }
  }

  private func validateEmbeddings(limits: RenderLimits) throws {
    guard embeddings.count <= limits.embeddings else {
      throw Check.failure("embeddings", "\(embeddings.count) files", "use at most \(limits.embeddings)")
    }
    for embedding in embeddings {
      try Check.path("embedding", embedding.path)
      guard let token = embedding.token else { continue }
      guard token.contains(where: { !$0.isWhitespace }), token.utf8.count <= 200, !token.utf8.contains(0)
      else {
        throw Check.failure(
          "token of embedding \(embedding.path)", "'\(token.prefix(40))'", "use 1 to 200 bytes")
      }
    }
  }

  private func validateInitialImage() throws {
    if let initImage { try Check.path("init_image", initImage) }
    if let mask { try Check.path("mask", mask) }
    if let strength {
      guard (0...1).contains(strength) else {
        throw Check.failure("strength", strength, "use 0 to 1")
      }
      guard initImage != nil else {
        throw Check.failure("strength", strength, "it needs init_image")
      }
    }
    if let mask, initImage == nil {
      throw Check.failure("mask", mask, "it needs init_image")
    }
  }
}

/// The checks that several fields share.
private enum Check {
  static func failure(_ name: String, _ value: some Any, _ rule: String) -> JobStoreError {
    .invalidSetting(name: name, value: "\(value)", rule: rule)
  }

  static func text(_ name: String, _ value: String, limits: RenderLimits) throws {
    let bytes = value.utf8
    guard bytes.count <= limits.promptBytes else {
      throw failure(name, "\(bytes.count) bytes long", "use at most \(limits.promptBytes)")
    }
    // SQLite's own functions stop at a zero byte, so text behind one would be invisible.
    guard !bytes.contains(0) else {
      throw failure(name, "text with a zero byte", "remove it (is the file UTF-16?)")
    }
  }

  static func path(_ name: String, _ value: String) throws {
    guard !value.isEmpty, value.utf8.count <= 4096, !value.utf8.contains(0) else {
      throw failure(name, "'\(value.prefix(40))'", "use a name or path of 1 to 4096 bytes")
    }
  }
}
