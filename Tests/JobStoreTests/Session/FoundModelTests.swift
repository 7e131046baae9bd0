import GRDB
import JobStore
import Testing

/// What daemons say that they have in their folders.
@Suite struct FoundModelTests {
  private func model(_ name: String, fault: String? = nil) -> ModelRecord {
    var record = ModelRecord(
      name: name, path: "/m/\(name)", kind: "sd", bytes: 7, description: "SD1.5 folder")
    record.fault = fault
    return record
  }

  private func names(_ queue: TestQueue) throws -> [String] {
    try queue.client.knownModels().models.map(\.name)
  }

  @Test func whatIsInTheFoldersIsListedLoadedOrNot() throws {
    let queue = try TestQueue()
    #expect(try !queue.client.knownModels().isComplete)
    let session = try queue.session()
    #expect(try !queue.client.knownModels().isComplete)
    try session.declare([model("fox"), model("owl", fault: "cut short")])
    let known = try queue.client.knownModels()
    #expect(known.isComplete && known.models.map(\.name) == ["fox", "owl"])
    #expect(known.usable.map(\.name) == ["fox"])
    let (fox, owl) = (known.models[0], known.models[1])
    #expect(fox.kind == "sd" && fox.bytes == 7 && fox.loadedAt == nil && fox.workers == ["w"])
    #expect(owl.fault == "cut short")
    // What is loaded keeps what the folder told, and the digest goes with the files.
    try session.register(ModelRecord(name: "fox", path: "/m/fox", digest: "d"), loaded: true)
    #expect(try queue.client.models()[0].bytes == 7)
    try session.declare([model("fox")])
    #expect(try queue.client.models()[0].digest == "d")
    var other = model("fox")
    other.bytes = 8
    try session.declare([other])
    #expect(try queue.client.models()[0].digest == nil && queue.client.models()[0].loadedAt == queue.now)
  }

  @Test func whatWentAwayIsListedNoMore() throws {
    let queue = try TestQueue()
    let session = try queue.session()
    try session.declare([model("fox"), model("owl")])
    try session.register(model("fox"), loaded: true)
    try session.declare([model("owl")])
    #expect(try names(queue) == ["owl"])
    try session.declare([])
    #expect(try names(queue).isEmpty && queue.client.knownModels().isComplete)
    // The row of what was loaded stays, with its history.
    #expect(try queue.sql { try String.fetchAll($0, sql: "SELECT name FROM models") } == ["fox"])
  }

  /// A daemon that is alive counts before those that were.
  @Test func eachDaemonHasItsOwn() throws {
    let queue = try TestQueue()
    try queue.session("left").declare([model("fox"), model("owl", fault: "cut short")])
    try queue.session("right").declare([model("owl")])
    let both = try queue.client.models()
    #expect(both.map(\.workers) == [["left"], ["left", "right"]])
    // One of them can use it.
    #expect(both.allSatisfy { $0.fault == nil })
    try queue.session("right").signOff()
    #expect(try names(queue) == ["fox", "owl"])
    #expect(try queue.client.models().last?.fault == "cut short")
    try queue.session("left").signOff()
    #expect(try queue.client.knownModels().isComplete && queue.client.knownModels().usable.count == 2)
    // Another that has not looked yet, or takes models from anywhere: nobody knows.
    let third = try queue.session("third")
    #expect(try !queue.client.knownModels().isComplete)
    try third.declare([], areAll: false)
    #expect(try !queue.client.knownModels().isComplete && names(queue) == ["fox", "owl"])
  }

  @Test func eachIsListedOnce() throws {
    let queue = try TestQueue()
    let session = try queue.session()
    try session.declare([model("fox")])
    try session.register(ModelRecord(name: "/m/fox", path: "/m/fox", digest: "d"), loaded: true)
    try session.register(ModelRecord(name: "/else/owl", path: "/else/owl"), loaded: true)
    try session.register(ModelRecord(name: "a/card@c1", path: "/hub/1"), loaded: true)
    let models = try queue.client.models()
    #expect(models.map(\.name) == ["/else/owl", "a/card@c1", "fox"])
    #expect(models[2].loadedAt == queue.now && models[2].digest == "d")
  }

  /// A model that lies below the folders of two daemons has a name at each; jobs may use both.
  @Test func eachOfItsNamesIsRight() throws {
    let queue = try TestQueue()
    try queue.session("left").declare([model("fox")])
    var other = ModelRecord(name: "all/fox", path: "/m/fox", kind: "sd", bytes: 7)
    other.fault = "cut short"
    try queue.session("right").declare([other])
    let known = try queue.client.knownModels()
    #expect(known.models.map(\.name) == ["fox"] && known.names == ["fox", "all/fox"])
    #expect(known["all/fox"]?.fault == "cut short" && known["/m/fox"]?.name == "fox" && known["owl"] == nil)
  }

  /// What did not change is not written, and what somebody deleted is noticed.
  @Test func rowsAreWrittenOnlyIfTheyChanged() throws {
    let queue = try TestQueue()
    let session = try queue.session()
    #expect(try !session.hasDeclared(0, areAll: true) && session.hasDeclared(0, areAll: false))
    let models = [model("fox"), model("owl", fault: "cut short")]
    try session.declare(models)
    #expect(try session.hasDeclared(2, areAll: true) && !session.hasDeclared(2, areAll: false))
    func count(_ changed: [ModelRecord]) throws -> Int? {
      try queue.sql {
        try $0.execute(
          sql: """
            DROP TABLE IF EXISTS written; CREATE TABLE written (name TEXT);
            CREATE TRIGGER IF NOT EXISTS m AFTER UPDATE ON models BEGIN INSERT INTO written VALUES (NEW.name); END;
            CREATE TRIGGER IF NOT EXISTS f AFTER UPDATE ON found_models BEGIN INSERT INTO written VALUES (NEW.model); END;
            """)
      }
      try session.declare(changed)
      return try queue.sql { try Int.fetchOne($0, sql: "SELECT count(*) FROM written") }
    }
    #expect(try count(models) == 0)
    #expect(try count([models[0], model("owl")]) == 1)
    for table in ["found_models", "models", "workers"] {
      try session.declare(models)
      #expect(try session.hasDeclared(2, areAll: true))
      try queue.sql { try $0.execute(sql: "DELETE FROM \(table)") }
      #expect(try !session.hasDeclared(2, areAll: true), "\(table)")
    }
  }

  @Test func aNewDaemonOfThatNameSaysItItself() throws {
    let queue = try TestQueue()
    let old = try queue.session()
    try old.declare([model("fox")])
    queue.pass(seconds: 120)
    let new = try queue.signOn(WorkerRecord(name: "w", pid: 11, host: "h", version: "1")) { _ in false }
    try old.declare([model("owl")])
    #expect(try names(queue) == ["fox"])
    try new.declare([model("bear")])
    #expect(try names(queue) == ["bear"])
  }

  /// Rows may say anything.
  @Test func wrongRowsAreNobodys() throws {
    let queue = try TestQueue()
    try queue.session().declare([model("fox")])
    try queue.sql {
      try $0.execute(
        sql: """
          INSERT INTO found_models VALUES ('nobody', 'owl', NULL), ('w', 'no such row', NULL),
            ('w', printf('%.10000c', 'x'), printf('%.10000c', 'y'));
          INSERT INTO models (name, path, bytes, registered_at) VALUES ('huge', '/m/fox', 9223372036854775807, 0);
          """)
    }
    #expect(try names(queue) == ["fox"])
    try queue.session().declare([model("fox")])
    #expect(
      try queue.sql { try Int.fetchOne($0, sql: "SELECT count(*) FROM found_models WHERE worker = 'w'") } == 1
    )
  }
}
