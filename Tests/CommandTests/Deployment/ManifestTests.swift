import Foundation
import TestSupport
import Testing

/// The files of `deploy/kubernetes` against the published schemas, and against each other. No cluster has run them.
@Suite struct ManifestTests {
  private let manifests: [Manifest]
  private let schemas: SchemaFolder

  /// The schema of each kind that may be there.
  private static let kinds = [
    "ConfigMap": "kubernetes.json#/$defs/io.k8s.api.core.v1.ConfigMap",
    "NetworkPolicy": "kubernetes.json#/$defs/io.k8s.api.networking.v1.NetworkPolicy",
    "PersistentVolumeClaim": "kubernetes.json#/$defs/io.k8s.api.core.v1.PersistentVolumeClaim",
    "PodDisruptionBudget": "kubernetes.json#/$defs/io.k8s.api.policy.v1.PodDisruptionBudget",
    "ScaledObject": "keda.json#/$defs/ScaledObject",
    "Secret": "kubernetes.json#/$defs/io.k8s.api.core.v1.Secret",
    "StatefulSet": "kubernetes.json#/$defs/io.k8s.api.apps.v1.StatefulSet",
    "TriggerAuthentication": "keda.json#/$defs/TriggerAuthentication",
  ]

  init() throws {
    manifests = try Manifest.all()
    var texts = Self.kinds.mapValues { "{\"$ref\": \"\($0)\"}" }
    texts = Dictionary(uniqueKeysWithValues: texts.map { ($0.key + ".json", $0.value) })
    for name in ["kubernetes.json", "keda.json"] {
      texts[name] = try String(
        contentsOfFile: Places.inRepository("Tests/Kubernetes/\(name)"), encoding: .utf8)
    }
    schemas = try SchemaFolder(texts)
  }

  /// What is wrong with an object.
  private func faults(_ object: JSONNode) -> [String] {
    schemas.judge(object, by: object["kind"]?.string ?? "none").faults
  }

  @Test func everyFileFitsItsSchema() {
    for manifest in manifests { #expect(faults(manifest.object) == [], "\(manifest.file)") }
    // None is left out, and none of another kind is there.
    #expect(Set(manifests.map(\.kind)) == Set(Self.kinds.keys))
  }

  /// What a slip of the hand would be, and where it is told.
  static let slips: [(kind: String, path: String, value: JSONNode?, told: String)] = [
    ("StatefulSet", "spec/replicas", .string("2"), "/spec/replicas"),
    ("StatefulSet", "spec/selector", nil, "/spec/selector: is missing"),
    ("StatefulSet", "spec/terminationGracePeriodSeconds", .number(30), "is not described"),
    ("StatefulSet", "spec/template/spec/containers/0/image", .list([]), "/containers/0/image"),
    ("StatefulSet", "spec/template/spec/containers/0/volumeMounts/0/mountPath", nil, "mountPath: is missing"),
    ("StatefulSet", "spec/template/spec/containers/0/livenessProbe/exec/command", .string("true"), "command"),
    ("StatefulSet", "spec/template/spec/containers/0/resources/limits/memory", .bool(true), "limits/memory"),
    ("StatefulSet", "apiVersion", .string("apps/v1beta1"), "/apiVersion"),
    ("ConfigMap", "data/config.yaml", .object([:]), "/data/config.yaml"),
    ("Secret", "stringdata", .object([:]), "/stringdata: is not described"),
    ("PersistentVolumeClaim", "spec/accessModes", .string("ReadWriteMany"), "/spec/accessModes"),
    ("PodDisruptionBudget", "spec/maxUnavailable", .bool(true), "/spec/maxUnavailable"),
    ("NetworkPolicy", "spec/egress/0/ports/0/port", .list([]), "/port"),
    ("NetworkPolicy", "spec/podSelector", .null, "/spec/podSelector"),
    ("ScaledObject", "spec/triggers/0/metadata/port", .number(5432), "/spec/triggers/0/metadata/port"),
    ("ScaledObject", "spec/triggers/0/type", nil, "type: is missing"),
    ("ScaledObject", "spec/maxReplicas", .number(3), "/spec/maxReplicas: is not described"),
    ("TriggerAuthentication", "spec/secretTargetRef/0/key", nil, "key: is missing"),
  ]

  @Test(arguments: slips.indices) func aSlipIsSeen(index: Int) throws {
    let slip = Self.slips[index]
    let manifest = try one(slip.kind)
    let keys = slip.path.split(separator: "/").map(String.init)
    let wrong = manifest.object.with(slip.value, at: keys[...])
    #expect(wrong != manifest.object)
    let found = faults(wrong)
    #expect(found.contains { $0.contains(slip.told) }, "\(found)")
  }

  /// The first of a kind, of the daemons or, in its folder, of the fetcher.
  private func one(_ kind: String, ofFetcher: Bool = false) throws -> Manifest {
    try #require(manifests.first { $0.kind == kind && $0.file.hasPrefix("fetcher/") == ofFetcher })
  }

  private func names(of kind: String) -> Set<String> {
    Set(manifests.filter { $0.kind == kind }.compactMap { $0["metadata/name"]?.string })
  }

  /// What one file names, another has.
  @Test func theFilesFitTogether() throws {
    let daemons = try one("StatefulSet")
    let labels = try #require(daemons["spec/template/metadata/labels"])
    #expect(daemons["spec/selector/matchLabels"] == labels)
    #expect(try one("PodDisruptionBudget")["spec/selector/matchLabels"] == labels)
    #expect(try one("NetworkPolicy")["spec/podSelector/matchLabels"] == labels)

    let volumes = try #require(daemons["spec/template/spec/volumes"]?.list)
    let mounts = try #require(daemons["spec/template/spec/containers/0/volumeMounts"]?.list)
    #expect(
      Set(mounts.compactMap { $0["name"]?.string }) == Set(volumes.compactMap { $0["name"]?.string }))
    let claims = volumes.compactMap { $0["persistentVolumeClaim"]?["claimName"]?.string }
    #expect(Set(claims) == names(of: "PersistentVolumeClaim"))
    #expect(Set(volumes.compactMap { $0["configMap"]?["name"]?.string }) == names(of: "ConfigMap"))
    let secrets = Set(volumes.compactMap { $0["secret"]?["secretName"]?.string })
    #expect(secrets.subtracting(names(of: "Secret")) == [] && !secrets.isEmpty)

    let scaler = try one("ScaledObject")
    for key in ["apiVersion", "kind"] { #expect(scaler["spec/scaleTargetRef/\(key)"] == daemons[key]) }
    #expect(scaler["spec/scaleTargetRef/name"] == daemons["metadata/name"])
    let authentication = try one("TriggerAuthentication")
    #expect(scaler["spec/triggers/0/authenticationRef/name"] == authentication["metadata/name"])
    let secret = try #require(
      manifests.first {
        $0.kind == "Secret" && $0["metadata/name"] == authentication["spec/secretTargetRef/0/name"]
      })
    let key = try #require(authentication["spec/secretTargetRef/0/key"]?.string)
    #expect(secret.object["stringData"]?[key] != nil)

    let container = try String(contentsOfFile: Places.inRepository("deploy/Containerfile"), encoding: .utf8)
    let user = Int(try #require(daemons["spec/template/spec/securityContext/runAsUser"]?.number))
    #expect(container.contains("--uid \(user) ") && container.contains("USER \(user):\(user)\n"))
  }

  /// One fetcher, which writes where the daemons read, and goes their way into the queue.
  @Test func theFetcherFitsTheDaemons() throws {
    let (fetcher, daemons) = (try one("StatefulSet", ofFetcher: true), try one("StatefulSet"))
    let labels = try #require(fetcher["spec/template/metadata/labels"])
    #expect(fetcher["spec/selector/matchLabels"] == labels && fetcher["spec/replicas"] == .number(1))
    #expect(try one("NetworkPolicy", ofFetcher: true)["spec/podSelector/matchLabels"] == labels)
    #expect(daemons["spec/template/metadata/labels"] != labels)
    let pod = "spec/template/spec"
    for path in [
      "securityContext", "enableServiceLinks", "containers/0/image", "containers/0/securityContext",
    ] {
      #expect(fetcher["\(pod)/\(path)"] == daemons["\(pod)/\(path)"], "\(path)")
    }
    func mounts(_ manifest: Manifest) throws -> [String: String] {
      let list = try #require(manifest["\(pod)/containers/0/volumeMounts"]?.list)
      return Dictionary(
        uniqueKeysWithValues: list.compactMap { mount in
          (mount["name"]?.string).flatMap { name in (mount["mountPath"]?.string).map { (name, $0) } }
        })
    }
    let (its, theirs) = (try mounts(fetcher), try mounts(daemons))
    let volumes = try #require(fetcher["\(pod)/volumes"]?.list)
    #expect(Set(volumes.compactMap { $0["name"]?.string }) == Set(its.keys))
    for (name, path) in its { #expect(theirs[name] == path, "\(name)") }
    let variables = try #require(fetcher["\(pod)/containers/0/env"]?.list)
    for variable in try #require(daemons["\(pod)/containers/0/env"]?.list) {
      #expect(variables.contains(variable))
    }
    let hub = variables.first { $0["name"] == .string("SEGMOE_HUB") }?["value"]?.string
    // Not among the models that daemons list.
    #expect(hub?.hasPrefix("/var/lib/segmoe/models/.") == true)
    #expect(theirs["models"] == "/var/lib/segmoe/models")
  }

  /// The way in is where the container looks for it, and not readable by others.
  @Test func thePasswordIsWhereItIsLookedFor() throws {
    let daemons = try one("StatefulSet")
    let container = try #require(daemons["spec/template/spec/containers/0"])
    let variables = try #require(container["env"]?.list)
    func variable(_ name: String) throws -> String {
      try #require(variables.first { $0["name"] == .string(name) }?["value"]?.string)
    }
    let mount = try #require(container["volumeMounts"]?.list?.first { $0["name"] == .string("server") })
    let folder = try #require(mount["mountPath"]?.string)
    let volume = try #require(
      daemons["spec/template/spec/volumes"]?.list?.first { $0["name"] == .string("server") })
    // 0400
    #expect(volume["secret"]?["defaultMode"] == .number(256) && mount["readOnly"] == .bool(true))
    let secret = try #require(
      manifests.first { $0.kind == "Secret" && $0["metadata/name"] == volume["secret"]?["secretName"] })
    for name in ["PGSERVICEFILE", "PGSSLROOTCERT"] {
      let path = try variable(name)
      #expect(path.hasPrefix(folder + "/"))
      #expect(secret.object["stringData"]?[String(path.dropFirst(folder.count + 1))] != nil, "\(path)")
    }
    let service = try #require(secret.object["stringData"]?["pg_service.conf"]?.string)
    #expect(service.hasPrefix("[\(try variable("PGSERVICE"))]\npassword="))
    // Services of a name that begins with segmoe would set variables that the daemon refuses.
    #expect(daemons["spec/template/spec/enableServiceLinks"] == .bool(false))
  }

  /// As `systemctl stop` of the unit, which KillTests and StopTests show to be enough.
  @Test func aStopTakesAsLongAsTheUnitsMay() throws {
    let unit = try String(contentsOfFile: Places.inRepository("systemd/segmoed.service"), encoding: .utf8)
    let seconds = try #require(unit.firstMatch(of: /TimeoutStopSec=([0-9]+)s/)?.1)
    let grace = try one("StatefulSet")["spec/template/spec/terminationGracePeriodSeconds"]?.number
    #expect(grace == Double(seconds))
  }

  /// What the daemon is told it takes, and where it writes it may.
  @Test func theConfigurationIsTaken() throws {
    let text = try #require(one("ConfigMap").object["data"]?["config.yaml"]?.string)
    let mounts = try #require(one("StatefulSet")["spec/template/spec/containers/0/volumeMounts"]?.list)
    let root = try TemporaryFolder("etc/segmoed")
    try root.write("etc/segmoed/config.yaml", text)
    for mount in mounts {
      if let path = mount["mountPath"]?.string, path != "/etc/segmoed" { try root.makeFolder(path) }
    }
    let outcome = try BuiltProgram.run(
      "segmoed", ["check-config", "--root", root.path, "--json"], environment: ["HOME": "/"])
    #expect(outcome.code == 0 && outcome.errors == "", "\(outcome)")
    let settings = try #require(try outcome.object()["settings"] as? [String: String])
    let writable = mounts.filter { $0["readOnly"] != .bool(true) }.compactMap { $0["mountPath"]?.string }
    for key in ["output", "private_folder", "metrics"] {
      let path = try #require(settings[key])
      #expect(writable.contains { path == $0 || path.hasPrefix($0 + "/") }, "\(key): \(path)")
    }
  }

  /// A probe passes for a daemon that writes its numbers, and fails for one that stopped doing so or never began.
  @Test(arguments: ["startupProbe", "readinessProbe", "livenessProbe"])
  func aProbeTellsWhetherTheDaemonLives(probe: String) throws {
    let daemons = try one("StatefulSet")
    let words = try #require(daemons["spec/template/spec/containers/0/\(probe)/exec/command"]?.list)
    let command = words.compactMap(\.string)
    let text = try #require(one("ConfigMap").object["data"]?["config.yaml"]?.string)
    let metrics = try #require(text.firstMatch(of: /metrics: (.*)/)?.1)
    #expect(command.dropLast() == ["sh", "-c"] && command.last?.contains(metrics) == true)
    let folder = try TemporaryFolder()
    let script = try #require(command.last).replacing(metrics, with: folder.file("segmoed.prom"))
    func code() throws -> Int32 { try Outcome(of: "/bin/sh", ["-c", script]).code }
    #expect(try code() != 0)
    let file = try folder.write("segmoed.prom", "segmoe_images_total 1\n")
    func set(age: Double) throws {
      try FileManager.default.setAttributes(
        [.modificationDate: Date(timeIntervalSinceNow: -age)], ofItemAtPath: file)
    }
    // Of the next hour, so that it is new however slow this machine is.
    try set(age: -3600)
    #expect(try code() == 0)
    try set(age: 7200)
    #expect(try code() != 0)
  }
}

extension JSONNode {
  /// The same with another value at a path of keys and numbers; nil: without it.
  fileprivate func with(_ value: JSONNode?, at path: ArraySlice<String>) -> JSONNode {
    guard let key = path.first else { return value ?? self }
    let rest = path.dropFirst()
    switch self {
    case .object(var members):
      members[key] = rest.isEmpty ? value : members[key]?.with(value, at: rest)
      return .object(members)
    case .list(var elements):
      guard let index = Int(key), elements.indices.contains(index) else { return self }
      elements[index] = elements[index].with(value, at: rest)
      return .list(elements)
    default: return self
    }
  }
}
