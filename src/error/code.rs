//! The stable code of every failure and fault: one short word each, in one table.
//!
//! Programs compare codes; people read the sentences of `Display`. A code never changes its
//! meaning and is never used again for something else.

macro_rules! codes {
    ($($name:ident $slug:literal $meaning:literal)*) => {
        /// The kind of failure, as one word.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(super) enum Code { $($name),* }

        impl Code {
            /// The word itself, as `digest-mismatch`.
            pub(super) const fn slug(self) -> &'static str {
                match self { $(Self::$name => $slug),* }
            }
        }

        /// Every code with its meaning, in the order of this crate's layers.
        pub const CODES: &[(&str, &str)] = &[$(($slug, $meaning)),*];
    };
}

codes! {
    // Failures of a whole command.
    Io "io" "An operation of the file system failed."
    NoSpace "no-space" "The file system has less free space than the plan needs."
    Usage "usage" "The request is not valid."
    ExclusivePlaces "exclusive-places" "A target directory excludes a prefix and a root."
    NeedsInterpreter "needs-interpreter" "A prefix or a root needs a named interpreter."
    NeedsPlace "needs-place" "Wheels for an interpreter that is not here need a directory."
    NoSuchWheel "no-such-wheel" "A named wheel or directory does not exist."
    ProjectName "project-name" "A project was named; only files and addresses are installed."
    Scheme "scheme" "The scheme of an address is not supported."
    LockAsWheel "lock-as-wheel" "A lock file was named as a wheel."
    RequirementsAsWheel "requirements-as-wheel" "A list of requirements was named as a wheel."
    ReportAsWheel "report-as-wheel" "An installation report was named as a wheel."
    Interrupted "interrupted" "The user asked to stop."
    LeftOut "left-out" "More faults were found than are listed."
    SeveralFaults "several-faults" "Wheels or resolver files were refused for more than one reason."
    Conflict "conflict" "Two owners of one path have different contents for it."
    TwoVersions "two-versions" "One project is given more than once."
    NoEnvironment "no-environment" "No environment was named and none was found."
    BadEnvironment "bad-environment" "A path is not an environment that can be used."
    Interpreter "interpreter" "The interpreter cannot be started or does not answer."
    NoInterpreter "no-interpreter" "No interpreter was named and none is on the search path."
    ExternallyManaged "externally-managed" "The environment belongs to another package manager."
    Locked "locked" "Another process held the lock for too long."
    LockFailed "lock-failed" "The lock could not be taken."
    LockUnsupported "lock-unsupported" "The file system of the environment has no file locks."
    NotReplaceable "not-replaceable" "An installed project cannot be replaced or removed."
    NotInstalled "not-installed" "A named project is not installed."
    NoOwner "no-owner" "No installed project owns a path."
    LeadsOutside "leads-outside" "A symbolic link leads out of the environment."
    ForeignEnvironment "foreign-environment" "An environment that was not named is another user's."
    ForeignState "foreign-state" "Others could have written the state of a transaction."
    Journal "journal" "The journal of a transaction cannot be used."
    NothingToUndo "nothing-to-undo" "The last transaction was not kept for undoing."
    CannotUndo "cannot-undo" "A transaction cannot be undone, or not any more."
    Differences "differences" "Installed files differ from their RECORD."
    UnmetRequirements "unmet-requirements" "`check` found requirements that are not met."

    // Failures of resolving.
    NoSolution "no-solution" "The requirements contradict each other."
    NoUsableWheel "no-usable-wheel" "No wheel of a needed project can be used here."
    UnknownProject "unknown-project" "No index knows a needed project."
    NoSuchVersion "no-such-version" "A project has no version that is asked for."
    GaveUp "gave-up" "The search for versions took too long."

    // Failures of fetching.
    Offline "offline" "A file is not cached, and the network may not be used."
    Cache "cache" "The cache cannot be read or written."
    DamagedCache "damaged-cache" "Wheels in the cache do not have their digests."
    CacheFull "cache-full" "The file system of the cache is full."
    Unreachable "unreachable" "A host is not known or cannot be reached."
    TransferFailed "transfer-failed"
        "A connection broke or a server failed, more often than is tried."
    Credentials "credentials" "A server asks for credentials, or refuses the given ones."
    HttpStatus "http-status" "A server answered with a status that is an error."
    Proxy "proxy" "The proxy cannot be used or reached, or refuses the request."
    ProxyCredentials "proxy-credentials" "The proxy asks for a login, or refuses the given one."
    Certificates "certificates" "The certificates to trust cannot be read."
    UntrustedCertificate "untrusted-certificate"
        "The issuer of a server's certificate is not trusted."
    ExpiredCertificate "expired-certificate" "A server's certificate has expired."
    Tls "tls" "No secure connection to a server could be made."
    Redirect "redirect" "A server redirects to an address that cannot be used."
    Address "address" "An address is neither `http` nor `https`."
    ChangedWhileRead "changed-while-read" "The file on the server changed while it was read."

    // A wheel's file against what its source promised.
    PinMismatch "pin-mismatch" "The digest of the wheel file differs from the pinned one."
    NoPinMatches "no-pin-matches" "The digest of the wheel file is none of the pinned ones."
    LengthMismatch "length-mismatch" "The wheel file has another length than was promised."
    ContentEncoding "content-encoding" "A server sent the wheel in a content encoding."
    NotAWheel "not-a-wheel" "A server sent something other than a zip archive."
    SourceDistribution "source-distribution" "The file has to be built before it can be installed."
    NotFetched "not-fetched" "The wheel has to be a local file, and is on a server."
    ChangedOnServer "changed-on-server" "The fetched file differs from the previewed one."
    NotPinned "not-pinned" "A hash is required, and none is pinned."

    // The zip archive.
    NotAnArchive "not-an-archive" "The file is not a zip archive that can be read."
    NotAFile "not-a-file" "The path is not a regular file."
    HiddenBytes "hidden-bytes" "Bytes of the archive belong to no entry."
    OverlappingEntries "overlapping-entries" "Two records of the archive share bytes."
    DuplicateEntry "duplicate-entry" "Two entries have one name."
    EntryNameNotUtf8 "entry-name-not-utf8" "The name of an entry is not UTF-8."
    UnsafePath "unsafe-path" "The path of an entry is not safe."
    Compression "compression" "An entry is compressed with a method that wheels do not use."
    EncryptedEntry "encrypted-entry" "An entry is encrypted."
    LocalHeader "local-header" "A local header contradicts the central directory."
    ZipStructure "zip-structure"
        "A record of the archive contradicts another or has a refused field."
    DirectoryWithContent "directory-with-content" "A directory entry has content."
    SpecialEntry "special-entry" "An entry is neither a regular file nor a directory."
    FileAndDirectory "file-and-directory" "One path is both a file and a directory."
    TruncatedArchive "truncated-archive" "The archive ends within an entry."
    CorruptEntry "corrupt-entry" "The compressed data of an entry is not valid."
    SizeMismatch "size-mismatch" "An entry is longer or shorter than the archive states."
    Inflation "inflation" "The entries are far larger than the archive."
    CrcMismatch "crc-mismatch" "The CRC-32 of an entry differs from the stated one."
    DigestMismatch "digest-mismatch" "The digest of an entry differs from the one in RECORD."
    TooLarge "too-large" "Something is larger than the limit for it."

    // The wheel's name, metadata and fit.
    FileName "file-name" "The file name is not a wheel's."
    DistInfoCount "dist-info-count" "There is not exactly one dist-info directory."
    DistInfoName "dist-info-name" "The dist-info directory is of another project or version."
    MissingFile "missing-file" "A file that every wheel has is missing."
    NotUtf8 "not-utf8" "A metadata file is not UTF-8."
    MissingField "missing-field" "A field of a metadata file is missing."
    BadField "bad-field" "A field of a metadata file has a value that is not valid."
    NewerFormat "newer-format" "A metadata file has a newer format version than is supported."
    MetadataMismatch "metadata-mismatch" "METADATA and the file name disagree."
    BadVersion "bad-version" "A version or version specifier is not valid."
    IncompatibleTags "incompatible-tags" "The wheel's tags do not fit the environment."
    RequiresPython "requires-python" "The project does not support the environment's Python."
    WindowsLaunchers "windows-launchers" "Scripts need launchers for Windows, which are not made."
    EntryPoints "entry-points" "entry_points.txt has too many entries."
    EntryPointLine "entry-point-line" "A line of entry_points.txt is not valid."
    EntryPoint "entry-point" "An entry point cannot become a script."

    // RECORD.
    RecordNotUtf8 "record-not-utf8" "RECORD is not UTF-8."
    RecordRows "record-rows" "RECORD has far more rows than the archive has files."
    RecordRow "record-row" "A row of RECORD is not valid."
    RecordDigest "record-digest" "A row of RECORD has no secure digest."
    RecordContradiction "record-contradiction" "Two rows of RECORD contradict each other."
    RecordSize "record-size" "RECORD states another size than the archive."
    RecordUnsafePath "record-unsafe-path" "A path in RECORD leads out of the wheel."
    NotRecorded "not-recorded" "An entry is not listed in RECORD."
    RecordedAbsent "recorded-absent" "RECORD lists a file that the archive does not have."

    // Places of files.
    UnsafeTarget "unsafe-target" "The path to install a file at is not safe."
    DataScheme "data-scheme" "A path below `.data` is in no known scheme."
    NestedScript "nested-script" "A path below `.data/scripts` is in a directory."
    InstalledTwice "installed-twice" "Two entries with different contents have one target."
    ReservedName "reserved-name" "A path has a name that Windows cannot have."
    ProjectMetadata "project-metadata" "A path below `.data` leads into the metadata of a project."
    ProtectedPath "protected-path" "A file would overwrite a part of the environment."

    // Reports, lock files and lists of requirements.
    NotJson "not-json" "An installation report is not JSON."
    NotAReport "not-a-report" "A JSON text is not an installation report of pip."
    NotToml "not-toml" "A lock file is not TOML."
    NotRequirements "not-requirements" "A list of requirements is not text."
    LockAsRequirements "lock-as-requirements" "A lock file was given as a list of requirements."
    JsonAsRequirements "json-as-requirements" "JSON was given as a list of requirements."
    ToolsOwnLock "tools-own-lock" "A lock file has a format that only its own tool reads."
    LockName "lock-name" "A lock file has another name than lock files have."
    MissingKey "missing-key" "A required key is missing."
    BadKey "bad-key" "A key has a value of another type or form."
    FormatVersion "format-version" "The version of the format is not supported."
    BadMarker "bad-marker" "A marker is not valid."
    OtherEnvironment "other-environment" "The report was made for another environment."
    NoLockedEnvironment "no-locked-environment" "The lock file is for other environments."
    PackageRequiresPython "package-requires-python"
        "A package does not support the environment's Python."
    NotOffered "not-offered" "The lock file does not have the selected extra or group."
    ListedTwice "listed-twice" "One project is listed more than once."
    PackageSources "package-sources"
        "A package has no source, or sources that cannot be used together."
    NotWheels "not-wheels" "Packages are not wheels."
    NoWheelFits "no-wheel-fits" "None of a package's wheels fits the environment."
    OtherWheel "other-wheel" "The wheel is of another project or version than its entry."
    NoSecureHash "no-secure-hash" "An entry has no hash that proves its content."
    BadHash "bad-hash" "A hash is not valid."
    Location "location" "A path or URL of an entry cannot be used."
    RequirementLine "requirement-line" "A line of a list of requirements cannot be used."
    NotFound "not-found" "No wheel of a pinned requirement was found."
    NowhereToLook "nowhere-to-look" "There is no directory to look for pinned requirements in."

    // Package indexes.
    NotAPage "not-a-page" "An answer of a package index cannot be read."
    IndexVersion "index-version" "The interface of a package index has an unknown major version."
    PageTooLong "page-too-long" "A page of a package index is larger than the limit for it."
    Quarantined "quarantined" "The index has put the project into quarantine."
    BadMetadata "bad-metadata" "The metadata of a wheel on an index cannot be used."
    MetadataDigest "metadata-digest" "A metadata file has another digest than the index states."
}
