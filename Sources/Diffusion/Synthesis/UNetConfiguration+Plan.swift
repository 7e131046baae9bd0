import Experts

extension UNetConfiguration {
  /// The tensors of a UNet of this shape, mixtures included, in diffusers' layout.
  package var plannedTensors: [PlannedTensor] {
    var plan = TensorPlan()
    let first = down[0].width
    let time = 4 * first
    plan.convolution("conv_in", inputChannels, first)
    plan.linear("time_embedding.linear_1", first, time)
    plan.linear("time_embedding.linear_2", time, time)
    if let guidanceWidth { plan.linear("time_embedding.cond_proj", guidanceWidth, first, bias: false) }
    if let added {
      plan.linear("add_embedding.linear_1", added.inputs, time)
      plan.linear("add_embedding.linear_2", time, time)
    }
    for (index, level) in down.enumerated() {
      for layer in 0..<level.layers {
        let inputs = layer > 0 ? level.width : down[max(0, index - 1)].width
        plan.residual("down_blocks.\(index).resnets.\(layer)", inputs, level.width, timeWidth: time)
        transformer(
          "down_blocks.\(index).attentions.\(layer)", level, depth: level.depth(after: layer), &plan,
          isMixture: mixture?.downBlocks.contains(index) ?? false)
      }
      if index < down.count - 1 {
        plan.convolution("down_blocks.\(index).downsamplers.0.conv", level.width, level.width)
      }
    }
    middle(&plan, time: time)
    for (index, level) in up.enumerated() {
      for layer in 0..<level.layers {
        let inputs = layer == 0 ? up[max(0, index - 1)].width : level.width
        let skip = layer == level.layers - 1 ? up[min(up.count - 1, index + 1)].width : level.width
        plan.residual("up_blocks.\(index).resnets.\(layer)", inputs + skip, level.width, timeWidth: time)
        transformer(
          "up_blocks.\(index).attentions.\(layer)", level, depth: level.depth(after: layer), &plan,
          isMixture: mixture?.upBlocks.contains(index) ?? false)
      }
      if index < up.count - 1 {
        plan.convolution("up_blocks.\(index).upsamplers.0.conv", level.width, level.width)
      }
    }
    plan.norm("conv_norm_out", first)
    plan.convolution("conv_out", first, outputChannels)
    return plan.tensors
  }

  private func middle(_ plan: inout TensorPlan, time: Int) {
    let level = up[0]
    guard middle != .none else { return }
    plan.residual("mid_block.resnets.0", level.width, level.width, timeWidth: time)
    guard case .attention(let depth) = middle else { return }
    transformer("mid_block.attentions.0", level, depth: depth, &plan, isMixture: false)
    plan.residual("mid_block.resnets.1", level.width, level.width, timeWidth: time)
  }

  private func transformer(
    _ name: String, _ level: Level, depth: Int?, _ plan: inout TensorPlan, isMixture: Bool
  ) {
    guard let depth else { return }
    let width = level.width
    plan.norm(name + ".norm", width)
    plan.linear(name + ".proj_in", width, width, pointwise: !linearProjection)
    for index in 0..<depth {
      let block = "\(name).transformer_blocks.\(index)"
      for norm in 1...3 { plan.norm("\(block).norm\(norm)", width) }
      for attention in ["attn1", "attn2"] {
        for projection in ["to_q", "to_k", "to_v"] {
          let inputs = attention == "attn2" && projection != "to_q" ? contextWidth : width
          let sparse = isMixture && mixture?.layers != .feedForward
          each(sparse, "\(block).\(attention).\(projection)", gateWidth: inputs, &plan) {
            $0.linear($1, inputs, width, bias: false)
          }
        }
        plan.linear("\(block).\(attention).to_out.0", width, width)
      }
      each(isMixture && mixture?.layers != .attention, "\(block).ff", gateWidth: width, &plan) {
        $0.linear($1 + ".net.0.proj", width, 8 * width)
        $0.linear($1 + ".net.2", 4 * width, width)
      }
    }
    plan.linear(name + ".proj_out", width, width, pointwise: !linearProjection)
  }

  /// A layer once, or a gate and the layer once per expert.
  private func each(
    _ isSparse: Bool, _ name: String, gateWidth: Int, _ plan: inout TensorPlan,
    _ body: (inout TensorPlan, String) -> Void
  ) {
    guard isSparse, let mixture else { return body(&plan, name) }
    plan.linear(name + ".gate", gateWidth, mixture.experts, bias: false)
    for expert in 0..<mixture.experts { body(&plan, "\(name).experts.\(expert)") }
  }
}
