import Testing

@testable import RuntimeConfig

/// What a plan came to, as text: each changed file with its new content, or the refusal's rule and place.
func planned(
    _ runtime: OtherRuntime,
    _ files: [String: String],
    registries: [String] = ["docker.io"],
    mirror: String = "http://127.0.0.1:4001"
) throws -> [String: String] {
    let endpoint = try #require(Endpoint(mirror))
    let planner = OtherRuntimeOptions(runtime: runtime, mirror: endpoint).planner
    let targets = try registries.map { try #require(RegistryTarget($0)) }
    do throws(Refusal) {
        let plan = try planner.plan(targets, tree: MemoryTree(files))
        return [String: String](
            plan.changes.map { ($0.path, String(decoding: $0.after ?? [], as: UTF8.self)) },
            uniquingKeysWith: { _, last in last })
    } catch {
        return ["refused": "\(error.findings[0].rule.rawValue) \(error.findings[0].place)"]
    }
}
