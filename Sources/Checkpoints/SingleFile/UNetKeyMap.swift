/// Names of a UNet's tensors and layers in CompVis' layout and in diffusers'.
struct UNetKeyMap: Sendable {
  /// A module's name in the other layout, by its name in this one.
  private struct Names: Sendable {
    private var modules: [String: (name: String, isResidual: Bool)] = [:]
    private let residual: [(String, String)]

    init(residual: [(String, String)]) { self.residual = residual }

    mutating func add(_ from: String, _ to: String, isResidual: Bool) { modules[from] = (to, isResidual) }

    /// The other name of a tensor or layer; nil if it is in no module.
    func callAsFunction(_ name: String) -> String? {
      // The longest module that the name begins with: `input_blocks.3.0.op` before `input_blocks.3.0`.
      var end = name.endIndex
      while true {
        if let module = modules[String(name[..<end])] {
          let rest = name[end...]
          return module.isResidual ? part(rest).map { module.name + $0 } : module.name + rest
        }
        guard let dot = name[..<end].lastIndex(of: ".") else { return nil }
        end = dot
      }
    }

    private func part(_ rest: Substring) -> String? {
      for (from, to) in residual where rest.hasPrefix("." + from) {
        let after = rest.dropFirst(from.count + 1)
        if after.isEmpty || after.hasPrefix(".") { return "." + to + after }
      }
      return nil
    }
  }

  private var toDiffusers = Names(residual: KeyTable.residual)
  private var toCompVis = Names(residual: KeyTable.residual.map { ($0.1, $0.0) })

  init(_ layout: UNetLayout) {
    for module in layout.modules {
      toDiffusers.add(module.compVis, module.diffusers, isResidual: module.isResidual)
      toCompVis.add(module.diffusers, module.compVis, isResidual: module.isResidual)
    }
  }

  /// diffusers' name of a tensor or layer; nil if the UNet has none of that name.
  func diffusers(_ compVis: String) -> String? { toDiffusers(compVis) }

  /// CompVis' name of a tensor or layer; nil if the UNet has none of that name.
  func compVis(_ diffusers: String) -> String? { toCompVis(diffusers) }
}

extension UNetKeyMap {
  /// A UNet's tensors under diffusers' names, from CompVis' layout or its own.
  /// - Throws: `unmatchedKeys` for tensors without a place in it.
  static func views(_ tensors: [String: StoredTensor], path: String) throws -> [String: StoredTensor] {
    if tensors["conv_in.weight"] != nil {
      return tensors.reduce(into: [:]) { $0[$1.key] = $1.value.renamed($1.key) }
    }
    let map = Self(UNetLayout(compVis: { tensors[$0] != nil }))
    var views: [String: StoredTensor] = [:]
    var strange: [String] = []
    for (name, stored) in tensors {
      guard let known = map.diffusers(name) else {
        strange.append(name)
        continue
      }
      views[known] = stored.renamed(known)
    }
    guard strange.isEmpty else { throw CheckpointError.unmatchedKeys(path: path, keys: strange.sorted()) }
    return views
  }
}
