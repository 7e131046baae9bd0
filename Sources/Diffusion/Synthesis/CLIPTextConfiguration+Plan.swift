extension CLIPTextConfiguration {
  /// The tensors of a text encoder of this shape, in transformers' layout.
  package var plannedTensors: [PlannedTensor] {
    var plan = TensorPlan()
    plan.embedding("text_model.embeddings.token_embedding", vocabulary, width)
    plan.embedding("text_model.embeddings.position_embedding", positions, width)
    for layer in 0..<layers {
      let name = "text_model.encoder.layers.\(layer)"
      plan.norm(name + ".layer_norm1", width)
      for projection in ["q_proj", "k_proj", "v_proj", "out_proj"] {
        plan.linear("\(name).self_attn.\(projection)", width, width)
      }
      plan.norm(name + ".layer_norm2", width)
      plan.linear(name + ".mlp.fc1", width, innerWidth)
      plan.linear(name + ".mlp.fc2", innerWidth, width)
    }
    plan.norm("text_model.final_layer_norm", width)
    if let projection { plan.linear("text_projection", width, projection, bias: false) }
    return plan.tensors
  }
}
