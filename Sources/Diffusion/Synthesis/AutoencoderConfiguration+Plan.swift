extension AutoencoderConfiguration {
  /// The tensors of an autoencoder of this shape, in diffusers' layout.
  package var plannedTensors: [PlannedTensor] {
    var plan = TensorPlan()
    let last = widths[widths.count - 1]
    plan.convolution("encoder.conv_in", imageChannels, widths[0])
    for (index, width) in widths.enumerated() {
      for layer in 0..<layers {
        let inputs = layer == 0 ? widths[max(0, index - 1)] : width
        plan.residual("encoder.down_blocks.\(index).resnets.\(layer)", inputs, width, timeWidth: nil)
      }
      if index < widths.count - 1 {
        plan.convolution("encoder.down_blocks.\(index).downsamplers.0.conv", width, width)
      }
    }
    middle("encoder", &plan)
    plan.norm("encoder.conv_norm_out", last)
    plan.convolution("encoder.conv_out", last, 2 * latentChannels)
    plan.convolution("quant_conv", 2 * latentChannels, 2 * latentChannels, kernel: 1)
    if usesPostQuantConvolution {
      plan.convolution("post_quant_conv", latentChannels, latentChannels, kernel: 1)
    }
    plan.convolution("decoder.conv_in", latentChannels, last)
    middle("decoder", &plan)
    for (index, width) in widths.reversed().enumerated() {
      for layer in 0...layers {
        let inputs = layer == 0 ? widths[min(widths.count - 1, widths.count - index)] : width
        plan.residual("decoder.up_blocks.\(index).resnets.\(layer)", inputs, width, timeWidth: nil)
      }
      if index < widths.count - 1 {
        plan.convolution("decoder.up_blocks.\(index).upsamplers.0.conv", width, width)
      }
    }
    plan.norm("decoder.conv_norm_out", widths[0])
    plan.convolution("decoder.conv_out", widths[0], imageChannels)
    return plan.tensors
  }

  private func middle(_ half: String, _ plan: inout TensorPlan) {
    let width = widths[widths.count - 1]
    for layer in 0..<2 { plan.residual("\(half).mid_block.resnets.\(layer)", width, width, timeWidth: nil) }
    guard middleAttention else { return }
    plan.norm("\(half).mid_block.attentions.0.group_norm", width)
    for projection in ["to_q", "to_k", "to_v", "to_out.0"] {
      plan.linear("\(half).mid_block.attentions.0.\(projection)", width, width)
    }
  }
}
