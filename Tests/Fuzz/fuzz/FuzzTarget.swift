/// One parser: takes any bytes, and traps when a promise about them is broken.
struct FuzzTarget: Sendable {
    let name: String
    let run: @Sendable (UnsafeRawBufferPointer) -> Void

    static let all = [
        FuzzTarget(name: "toml-editor", run: TOMLEditorFuzz.run),
        FuzzTarget(name: "containerd-plan", run: ContainerdPlanFuzz.run),
        FuzzTarget(name: "runtime-plan", run: RuntimePlanFuzz.run),
        FuzzTarget(name: "three-way", run: ThreeWayFuzz.run),
        FuzzTarget(name: "request-head", run: RequestHeadFuzz.run),
        FuzzTarget(name: "wire", run: WireFuzz.run),
        FuzzTarget(name: "references", run: ReferencesFuzz.run),
        FuzzTarget(name: "manifest", run: ManifestFuzz.run),
    ]

    /// The one that the command line names.
    static let chosen = CommandLine.arguments.dropFirst().first.flatMap { name in all.first { $0.name == name } }
}
