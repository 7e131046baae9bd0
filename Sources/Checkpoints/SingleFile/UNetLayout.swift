/// Which blocks a UNet has, read from the names of its tensors. This is enough to name each block in CompVis' layout
/// (numbered through) and in diffusers' (numbered by level).
package struct UNetLayout: Sendable, Equatable {
  /// A level of equal feature-map size, on the way down or up.
  package struct Level: Sendable, Equatable {
    /// For each residual block whether attention follows it.
    package var attention: [Bool] = []
    /// Whether it ends in a change of size.
    var resizes = false
  }

  /// A module's name in both layouts, and whether its inside differs too.
  package struct Module: Sendable, Equatable {
    let compVis: String
    let diffusers: String
    let isResidual: Bool
  }

  package private(set) var down: [Level] = []
  package private(set) var up: [Level] = []
  /// For the middle whether attention stands between its two residual blocks; nil: there is no middle.
  package private(set) var middleAttention: Bool?

  /// Reads CompVis names; `has` tells whether the file has a tensor of that name.
  package init(compVis has: (String) -> Bool) {
    var level = Level()
    var block = 1
    while true {
      if has("input_blocks.\(block).0.op.weight") {
        level.resizes = true
        down.append(level)
        level = Level()
      } else if has("input_blocks.\(block).0.in_layers.0.weight") {
        level.attention.append(has("input_blocks.\(block).1.norm.weight"))
      } else {
        break
      }
      block += 1
    }
    if !level.attention.isEmpty { down.append(level) }
    if has("middle_block.0.in_layers.0.weight") { middleAttention = has("middle_block.1.norm.weight") }
    level = Level()
    block = 0
    while has("output_blocks.\(block).0.in_layers.0.weight") {
      level.attention.append(has("output_blocks.\(block).1.norm.weight"))
      if (1...2).contains(where: { has("output_blocks.\(block).\($0).conv.weight") }) {
        level.resizes = true
        up.append(level)
        level = Level()
      }
      block += 1
    }
    if !level.attention.isEmpty { up.append(level) }
  }

  /// Reads diffusers' names; `has` tells whether there is a tensor of that name.
  package init(diffusers has: (String) -> Bool) {
    func levels(_ side: String, _ sampler: String) -> [Level] {
      var levels: [Level] = []
      while has("\(side).\(levels.count).resnets.0.conv1.weight") {
        let name = "\(side).\(levels.count)"
        var level = Level()
        while has("\(name).resnets.\(level.attention.count).conv1.weight") {
          level.attention.append(has("\(name).attentions.\(level.attention.count).norm.weight"))
        }
        level.resizes = has("\(name).\(sampler).0.conv.weight")
        levels.append(level)
      }
      return levels
    }
    down = levels("down_blocks", "downsamplers")
    up = levels("up_blocks", "upsamplers")
    if has("mid_block.resnets.0.conv1.weight") {
      middleAttention = has("mid_block.attentions.0.norm.weight")
    }
  }

  /// All modules, those that come once as well.
  var modules: [Module] {
    var modules = KeyTable.unet.map { Module(compVis: $0.0, diffusers: $0.1, isResidual: false) }
    func add(_ compVis: String, _ diffusers: String, isResidual: Bool = false) {
      modules.append(Module(compVis: compVis, diffusers: diffusers, isResidual: isResidual))
    }
    var block = 1
    for (index, level) in down.enumerated() {
      for (layer, attends) in level.attention.enumerated() {
        add("input_blocks.\(block).0", "down_blocks.\(index).resnets.\(layer)", isResidual: true)
        if attends { add("input_blocks.\(block).1", "down_blocks.\(index).attentions.\(layer)") }
        block += 1
      }
      if level.resizes {
        add("input_blocks.\(block).0.op", "down_blocks.\(index).downsamplers.0.conv")
        block += 1
      }
    }
    if let middleAttention {
      add("middle_block.0", "mid_block.resnets.0", isResidual: true)
      if middleAttention { add("middle_block.1", "mid_block.attentions.0") }
      add("middle_block.\(middleAttention ? 2 : 1)", "mid_block.resnets.1", isResidual: true)
    }
    block = 0
    for (index, level) in up.enumerated() {
      for (layer, attends) in level.attention.enumerated() {
        add("output_blocks.\(block).0", "up_blocks.\(index).resnets.\(layer)", isResidual: true)
        if attends { add("output_blocks.\(block).1", "up_blocks.\(index).attentions.\(layer)") }
        if level.resizes, layer == level.attention.count - 1 {
          add("output_blocks.\(block).\(attends ? 2 : 1).conv", "up_blocks.\(index).upsamplers.0.conv")
        }
        block += 1
      }
    }
    return modules
  }
}
