import ContentStore
import EventLoop
import Glibc
import Logging
import MirrorServer
import OCIModel
import OriginClient

/// What a tag means: the registry's word, asked for each time unless the settings say for how long an answer counts.
///
/// All who ask for one tag at one moment with the same credential get one answer.
extension NodeImages {
    /// A question for a registry that one answer serves all who ask it.
    struct ManifestQuestion: Hashable, Sendable {
        var query: ManifestQuery
    }

    /// How long the registry is waited for before a tag is served as last seen: with what follows less than the mirror
    /// gives the answer.
    private static let registryMillis: UInt64 = 3_000

    /// A HEAD asks the registry which manifest the tag names now; a GET fetches it. Either is answered of a manifest
    /// that is here: the caller asks for it next, and some registries give a HEAD another length.
    func manifest(tagged tag: Tag, _ query: ManifestQuery, _ endpoint: OriginEndpoint) async -> ManifestAnswer {
        if let known = await recent(tag, query, endpoint) { return known }
        if isSilent(query.registry.canonical) {
            return await lastKnown(tag, query).map { .found($0) } ?? .declined(reason: Self.unreachable)
        }
        let resolving = resolve(tag, query, endpoint)
        defer { resolving.leave() }
        return await withTaskCancellationHandler {
            let prompt = await Patience.value(of: resolving.task, millis: Self.registryMillis)
            if case .success(let manifest)? = prompt { return .found(manifest) }
            if prompt?.failure?.mayPass != false, let stale = await lastKnown(tag, query) { return .found(stale) }
            switch await resolving.value {
            case .success(let manifest): return .found(manifest)
            case .failure(let error): return answer(error, query)
            }
        } onCancel: {
            Loop.enqueue { resolving.leave() }
        }
    }

    /// A GET that is under way answers a HEAD as well.
    private func resolve(
        _ tag: Tag, _ query: ManifestQuery, _ endpoint: OriginEndpoint
    ) -> Flights<ManifestQuestion, Result<OriginManifest, OriginError>>.Seat {
        var asked = query
        if query.isHead {
            let get = query.asGet
            if manifests.isUnderWay(ManifestQuestion(query: get)) { asked = get }
        }
        return manifests.join(ManifestQuestion(query: asked)) { await self.resolved(tag, asked, endpoint) }
    }

    private func resolved(
        _ tag: Tag, _ query: ManifestQuery, _ endpoint: OriginEndpoint
    ) async -> Result<OriginManifest, OriginError> {
        do throws(OriginError) {
            let told = try await fetched(query, endpoint, isHead: query.isHead)
            let manifest = query.isHead ? try await content(of: told.digest, query, endpoint) : told
            tagAnswers.note(manifest, for: question(tag, query), now: Loop.nowNanoseconds)
            await remember(tag, manifest, query)
            return .success(manifest)
        } catch {
            noteFailure(error, query.registry)
            return .failure(error)
        }
    }

    private func question(_ tag: Tag, _ query: ManifestQuery) -> TagAnswers.Question {
        TagAnswers.Question(
            place: query.place, tag: tag, caller: permissions.caller(query.credential), accept: accept(query))
    }

    /// What the registry said to this caller within `tags.ttl`, if the caller may have it without another word.
    private func recent(_ tag: Tag, _ query: ManifestQuery, _ endpoint: OriginEndpoint) async -> ManifestAnswer? {
        let now = Loop.nowNanoseconds
        guard let known = tagAnswers.answer(question(tag, query), now: now),
            permissions.isFresh(query.credential, query.place, now: now)
        else { return nil }
        guard !query.isHead else {
            return .found(mediaType: known.mediaType, digest: known.digest, bytes: [], size: known.size)
        }
        let answer = await manifest(of: known.digest, query.asking(.digest(known.digest)), endpoint)
        if case .found = answer { return answer }
        return nil
    }

    /// For when the registry cannot be reached: nobody waits for it now.
    private func remember(_ tag: Tag, _ manifest: OriginManifest, _ query: ManifestQuery) async {
        let store = store
        let (registry, repository) = (query.registry.canonical.description, query.repository.text)
        await whenAnswered {
            await Loop.offload {
                store.recordTag(
                    registry: registry, repository: repository, tag: tag.text, digest: manifest.digest,
                    mediaType: manifest.mediaType.text)
                store.recordNamed(manifest.digest, registry: registry, repository: repository)
            }
        }
    }

    /// What the tag meant when the registry last said it, where the settings and the caller's rights let it count.
    private func lastKnown(_ tag: Tag, _ query: ManifestQuery) async -> OriginManifest? {
        guard tagRules.servesStale else { return nil }
        let (store, registry, repository) = (store, query.registry.canonical.description, query.repository.text)
        let record = await Loop.offload { store.lastDigest(registry: registry, repository: repository, tag: tag.text) }
        guard let record, tagRules.isYoung(record), await isOpenMeanwhile(query.place, query.credential) else {
            return nil
        }
        var manifest = await cachedManifest(record.digest)
        note(manifest, query)
        if manifest == nil, isShared(query.place), await takeFromPeers(record.digest, of: query.registry) {
            manifest = await cachedManifest(record.digest)
        }
        guard let manifest else { return nil }
        staleTagsServed += 1
        logger.warning(
            "registry unreachable: tag served as last seen",
            metadata: ["registry": "\(query.registry)", "repository": "\(query.repository)", "tag": "\(tag)"])
        return manifest
    }
}

/// What the settings say of tags.
struct TagRules {
    let servesStale: Bool
    let staleSeconds: UInt64

    init(_ settings: Settings) {
        servesStale = settings.tagsServeStale
        staleSeconds = settings.tagsStaleSeconds
    }

    /// Whether the registry said it not too long ago. A clock that was set back makes nothing older.
    func isYoung(_ record: TagRecord) -> Bool {
        let now = Int64(time(nil))
        return now < record.recordedAt || UInt64(now - record.recordedAt) <= staleSeconds
    }
}
