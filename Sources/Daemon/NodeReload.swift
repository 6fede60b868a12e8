import AdminAPI
import EventLoop
import Logging
import Telemetry

extension Node {
    /// Reads the settings file again and takes over what a running node can; a file with a mistake changes nothing.
    func reload() async throws(AdminFailure) -> ReloadReport {
        await manager.reloading()
        do throws(AdminFailure) {
            let report = try await readAgain()
            await manager.ready(serving)
            return report
        } catch {
            await manager.ready(serving)
            throw error
        }
    }

    private func readAgain() async throws(AdminFailure) -> ReloadReport {
        guard let (path, old) = file else {
            throw AdminFailure(.failedPrecondition, "this node was started without a settings file")
        }
        let loaded = await Loop.offload { () -> Result<SettingsFile, SettingsError> in
            Result { () throws(SettingsError) in try SettingsFile.load(file: path) }
        }
        let new: SettingsFile
        switch loaded {
        case .success(let read): new = read
        case .failure(let error):
            logger.error("settings not reloaded: those in force stay", metadata: ["reason": "\(error)"])
            throw AdminFailure(.failedPrecondition, "\(error); the settings in force stay as they are")
        }
        let change = old.change(to: new)
        let read = await certificate?.reload(old.taking(new).settings)
        if let problem = read?.problem {
            // The old paths again, or else their files would be watched no more.
            _ = await certificate?.reload(settings)
            throw AdminFailure(.failedPrecondition, "\(problem); the settings in force stay as they are")
        }
        let now = old.taking(new)
        file = (path, now)
        take(now.settings)
        logger.info(
            "settings reloaded",
            metadata: [
                "applied": "\(change.applied.joined(separator: ", "))",
                "need_restart": "\(change.needRestart.joined(separator: ", "))",
            ])
        var report = ReloadReport()
        report.file = path ?? Settings.defaultFile
        report.applied = change.applied + (read?.isNew == true ? ["the files of peers.tls"] : [])
        report.needRestart = change.needRestart
        return report
    }
}
