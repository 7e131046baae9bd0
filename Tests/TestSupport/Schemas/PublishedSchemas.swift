/// The schemas of `docs/schemas`, and what programs have shown of them.
///
///     var published = try PublishedSchemas()
///     #expect(try published.judge(outcome.output, by: "segmoectl-list") == [])
///     #expect(published.gaps(in: "segmoectl-list") == [])
package struct PublishedSchemas: Sendable {
  /// The schemas.
  package let folder: SchemaFolder
  private var use = SchemaUse()

  /// - Throws: `SchemaFolder.Mistake`
  package init() throws {
    folder = try SchemaFolder(at: Places.inRepository("docs/schemas"))
  }

  /// Compares what a program printed with a schema, line by line.
  /// - Parameters:
  ///   - output: lines of JSON, at least one.
  ///   - name: the schema's name, without the ending.
  /// - Returns: what does not fit. A member that the schema does not describe is among it.
  /// - Throws: `DecodingError` for a line that is no JSON.
  package mutating func judge(_ output: String, by name: String) throws -> [String] {
    let lines = output.split(separator: "\n")
    guard !lines.isEmpty else { return ["nothing was printed"] }
    var faults: [String] = []
    for line in lines {
      let verdict = folder.judge(try JSONNode(String(line)), by: name, isClosed: true)
      faults += verdict.faults
      use.add(verdict.use)
    }
    return faults
  }

  /// Members of a schema that nothing has shown yet, as `SchemaFolder.gaps` has it. What people write is left out.
  /// - Parameter name: the schema's name, without the ending.
  package func gaps(in name: String) -> [String] {
    folder.gaps(in: name, use).filter { !$0.hasPrefix("prompt.json#") }
  }
}
