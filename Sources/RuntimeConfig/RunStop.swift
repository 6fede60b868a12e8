import Glibc

/// Why a command ended early: what to say, and its exit status.
struct RunStop: Error {
    let status: Int32
    /// At least one.
    let findings: [Finding]

    init(_ status: Int32, _ finding: Finding) {
        self.status = status
        findings = [finding]
    }

    init(_ refusal: Refusal) {
        status = ExitStatus.refused
        findings = refusal.findings
    }

    /// `path` was not written, and what was written before it was taken back.
    init(_ fault: WriteFault, path: String) {
        let isRace = fault == .changedMeanwhile
        self.init(
            isRace ? ExitStatus.busy : ExitStatus.failed,
            Finding(
                .broken,
                isRace ? .changedMeanwhile : .cannotWrite,
                file: path,
                "\(path) \(fault.sentence); nothing was changed",
                remedy: isRace ? "run the command again" : fault.remedy(path)
            )
        )
    }

    /// `isBefore` says that no file was touched yet.
    init(_ fault: StateStore.Fault, folder: String, isBefore: Bool = false) {
        switch fault {
        case .busy:
            let finding = Finding(
                .broken, .state, file: folder, "another run is at work here", remedy: "try again when it is done")
            self.init(ExitStatus.busy, finding)
        case .unreadable(let sentence):
            let finding = Finding(
                .broken, .state, file: folder, sentence, remedy: "move the folder away to start anew")
            self.init(ExitStatus.failed, finding)
        case .write(let path, let fault):
            let outcome = isBefore ? "nothing was changed" : "the files themselves are whole"
            let finding = Finding(
                .broken, .state, file: path,
                "the record that revert needs, \(path), \(fault.sentence); \(outcome)",
                remedy: fault.remedy(path))
            self.init(ExitStatus.failed, finding)
        }
    }

    /// Whether another program changed a file between its reading and its writing.
    var isRace: Bool { findings.first?.rule == .changedMeanwhile }

    /// Runs `body` again while another program is faster; five times in a row is no coincidence.
    static func retrying<T>(_ body: () throws(RunStop) -> T) throws(RunStop) -> T {
        for attempt in 1..<5 {
            do throws(RunStop) {
                return try body()
            } catch {
                guard error.isRace else { throw error }
                usleep(useconds_t(attempt) * 20_000)
            }
        }
        return try body()
    }
}
