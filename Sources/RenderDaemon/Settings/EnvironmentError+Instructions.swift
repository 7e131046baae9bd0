import Tensors

extension EnvironmentError {
  /// To be called before anything is computed: looks at what `SEGMOE_ISA` asks for.
  /// - Returns: what to warn of, if the processor lacks it.
  /// - Throws: `EnvironmentError` if it is no name of instructions.
  package static func checkInstructions() throws(EnvironmentError) -> String? {
    if let value = ProductInstructions.unknown() {
      throw EnvironmentError(
        name: ProductInstructions.variable, value: value,
        rule: "use one of \(ProductInstructions.names.joined(separator: ", "))")
    }
    return ProductInstructions.shortfall
  }
}
