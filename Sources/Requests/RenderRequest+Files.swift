/// The settings that name files, in the words of messages.
package enum RequestFile: String, Sendable {
  case lora = "LoRA"
  case embedding
  case vae = "VAE"
  case initImage = "initial image"
  case mask
}

extension RenderRequest {
  /// Puts another path in the place of every file's; the model is none of them.
  /// - Throws: what `change` throws.
  package mutating func changeFiles(_ change: (RequestFile, String) throws -> String) rethrows {
    for index in loras.indices { loras[index].path = try change(.lora, loras[index].path) }
    for index in embeddings.indices {
      embeddings[index].path = try change(.embedding, embeddings[index].path)
    }
    vae = try vae.map { try change(.vae, $0) }
    initImage = try initImage.map { try change(.initImage, $0) }
    mask = try mask.map { try change(.mask, $0) }
  }
}
