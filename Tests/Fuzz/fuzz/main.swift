import CLibFuzzer
import Glibc

// usage: fuzz TARGET [options and folders of libFuzzer]; Scripts/fuzz builds and runs it.

/// One parser: takes any bytes, and traps when a promise about them is broken.
struct FuzzTarget: Sendable {
    let name: String
    let run: @Sendable (UnsafeRawBufferPointer) -> Void
}

private let targets = [
    FuzzTarget(name: "toml-editor", run: TOMLEditorFuzz.run),
    FuzzTarget(name: "containerd-plan", run: ContainerdPlanFuzz.run),
    FuzzTarget(name: "runtime-plan", run: RuntimePlanFuzz.run),
    FuzzTarget(name: "three-way", run: ThreeWayFuzz.run),
    FuzzTarget(name: "request-head", run: RequestHeadFuzz.run),
    FuzzTarget(name: "wire", run: WireFuzz.run),
    FuzzTarget(name: "references", run: ReferencesFuzz.run),
    FuzzTarget(name: "manifest", run: ManifestFuzz.run),
]

private let chosen = CommandLine.arguments.dropFirst().first.flatMap { name in targets.first { $0.name == name } }
guard let chosen else {
    print(targets.map(\.name).joined(separator: "\n"))
    exit(CommandLine.arguments.count > 1 ? 2 : 0)
}

// libFuzzer keeps the words; they live as long as the process.
private var words: [UnsafeMutablePointer<CChar>?] =
    ([CommandLine.arguments[0]] + CommandLine.arguments.dropFirst(2)).map { strdup($0) } + [nil]
private var count = Int32(words.count - 1)

words.withUnsafeMutableBufferPointer { buffer in
    var start = buffer.baseAddress
    exit(
        LLVMFuzzerRunDriver(&count, &start) { data, size in
            chosen.run(UnsafeRawBufferPointer(start: data, count: size))
            return 0
        })
}
