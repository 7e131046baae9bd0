import Tensors

extension EnvironmentError {
  /// Checks `SEGMOE_ISA`. It must be called before anything is computed.
  /// - Returns: a warning if the processor lacks the instruction set; else nil.
  /// - Throws: `EnvironmentError` if the value is no name of an instruction set.
  package static func checkInstructions() throws(EnvironmentError) -> String? {
    if let value = ProductInstructions.unknown() {
      throw EnvironmentError(
        name: ProductInstructions.variable, value: value,
        rule: "use one of \(ProductInstructions.names.joined(separator: ", "))")
    }
    return ProductInstructions.shortfall
  }
}
