import CLibFuzzer
import Glibc

// usage: fuzz TARGET [options and folders of libFuzzer]; Scripts/fuzz builds and runs it.

guard FuzzTarget.chosen != nil else {
    print(FuzzTarget.all.map(\.name).joined(separator: "\n"))
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
            FuzzTarget.chosen?.run(UnsafeRawBufferPointer(start: data, count: size))
            return 0
        })
}
