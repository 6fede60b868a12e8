/// Undoing whatever was done on a node, without having to know it: for packages that are removed and for pods that
/// clean up.
extension ContainerdCommands {
    /// Gives back every file that the state folder has a record of.
    ///
    /// Goes on after a failure; its exit status is the last that was not 0.
    package func revertAll() -> Int32 {
        StateStore.revertAll(in: options.stateDirectory, show: show, output, isJSON: options.isJSON) { record in
            var options = options
            options.config = record.config
            return ContainerdCommands(options: options, output: output).revert()
        }
    }
}

extension RuntimeCommands {
    /// As `ContainerdCommands.revertAll`; the record tells the runtime.
    package func revertAll() -> Int32 {
        StateStore.revertAll(in: options.stateDirectory, show: show, output, isJSON: options.isJSON) { record in
            var options = OtherRuntimeOptions(
                runtime: OtherRuntime(rawValue: record.mode) ?? options.runtime, mirror: options.mirror)
            options.config = record.config
            options.stateDirectory = self.options.stateDirectory
            options.isDryRun = self.options.isDryRun
            options.isJSON = self.options.isJSON
            return RuntimeCommands(options: options, output: output).revert()
        }
    }
}

extension StateStore {
    fileprivate static func revertAll(
        in directory: String, show: (RunStop) -> Int32, _ output: CommandOutput, isJSON: Bool,
        _ revert: (StateRecord) -> Int32
    ) -> Int32 {
        let found: [StateRecord]
        do throws(Fault) {
            found = try records(in: directory)
        } catch {
            return show(RunStop(error, folder: directory, isBefore: true))
        }
        if found.isEmpty, !isJSON { output.out("nothing to do") }
        var status = ExitStatus.done
        for record in found {
            let code = revert(record)
            if code != ExitStatus.done { status = code }
        }
        return status
    }

    /// Every record below a state folder, by the name of its folder.
    private static func records(in directory: String) throws(Fault) -> [StateRecord] {
        let disk = DiskTree()
        let names: [String]
        switch disk.names(in: directory) {
        case .success(let found): names = found.sorted()
        case .failure(.missing): return []
        case .failure(let fault): throw .unreadable("\(directory) \(fault.sentence)")
        }
        var records: [StateRecord] = []
        for folder in names.map({ Path.join(directory, $0) }) where disk.isDirectory(folder) == true {
            if let state = try StateStore(folder: folder).load() { records.append(state.record) }
        }
        return records
    }
}
