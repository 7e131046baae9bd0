/// The settings that name files. Raw values are words for messages.
package enum RequestFile: String, Sendable {
  case lora = "LoRA"
  case embedding
  case vae = "VAE"
  case initImage = "initial image"
  case mask
}

extension RenderRequest {
  /// Whatever it names: its model, what is added to it, and the pictures that it starts from.
  package var files: [String] {
    [model] + loras.map(\.path) + embeddings.map(\.path) + [vae, initImage, mask].compactMap { $0 }
  }

  /// Replaces the path of every file in the request. The model's path is not changed.
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
