"""The tables of kinds: extensions; MIME types as senders and releases of libmagic say; marks.

Called by  kinds only.
Ends       never: these are values.
Careful    one name of a kind for each idea; docs/findings.md lists them, a test compares.
"""

ARCHIVES = frozenset(
    [
        "zip",
        "tar",
        "gzip",
        "bzip2",
        "xz",
        "zstd",
        "lz4",
        "7z",
        "rar",
        "cab",
        "arj",
        "lha",
        "ace",
        "zpaq",
        "jar",
    ]
)


def _table(lines: str) -> dict[str, frozenset[str]]:
    """Read lines of `kinds: words`; a kind list is joined with +."""
    table: dict[str, frozenset[str]] = {}
    for line in lines.strip().splitlines():
        found, _, words = line.partition(":")
        for word in words.split():
            table[word] = table.get(word, frozenset()) | frozenset(found.strip().split("+"))
    return table


BY_EXTENSION = _table("""
pe: exe scr dll cpl ocx sys drv pif efi mui ax wll
dos-com: com
elf: elf so
macho: dylib app
script: js jse vbs vbe vb wsf wsh wsc ws sct bat cmd btm ps1 psm1 psd1 ps1xml ps2 psc1 psc2 msh msc
script: isp ins mst shb shs pcd gadget inf theme themepack
shell-script: sh bash csh ksh zsh command run
lnk: lnk pif
url: url website scf library-ms search-ms searchconnector-ms appref-ms settingcontent-ms desklink
url: application vsto appinstaller rdp iqy dqy oqy rqy mapimail contact wsb
hta: hta htt
chm: chm hlp
msi: msi msp appx appxbundle msix msixbundle
jar+zip: jar war ear
jar: jnlp
zip: zip zipx apk xpi
disk-image: iso img vhd vhdx udf dmg vmdk vdi qcow2 daa nrg
onenote: one onepkg onetoc2
xll+pe: xll
reg: reg
office-macro+ooxml: docm dotm xlsm xltm xlam pptm potm ppam ppsm sldm vsdm vstm
ooxml: docx dotx xlsx xltx xlsb pptx potx ppsx sldx vsdx
ole: doc dot xls xlt xlm xla ppt pot pps vsd msg mdb accdb ade adp mde accde pub
office-macro: xla xlm ade adp mde accde
rtf: rtf
pdf: pdf
html: htm html xhtml shtml xht mht mhtml
message: eml mht mhtml nws
svg+image: svg svgz
xml: xml xsl xslt rels vml
sylk: slk
tar: tar tgz tbz tbz2 txz tar.gz tar.bz2 tar.xz tar.zst tar.lz4
gzip: gz tgz
bzip2: bz2 tbz tbz2
xz: xz txz lzma
zstd: zst
lz4: lz4
7z: 7z
rar: rar
cab: cab
arj: arj
lha: lha lzh
ace: ace
zpaq: zpaq
archive: z cpio ar deb rpm uu uue bz uha wim swm arc zoo sit sitx alz egg hqx
tnef: tnef
text: txt log md
csv+text: csv tsv
image: png jpg jpeg gif bmp tif tiff webp ico heic jfif emf wmf
audio: mp3 wav ogg flac m4a aac wma mid
video: mp4 mov avi mkv webm mpg mpeg wmv m4v
font: ttf otf woff woff2
calendar: ics vcs ifb
vcard: vcf
signature: p7s sig
encrypted-mail: p7m pgp gpg
""")

BY_TYPE = _table("""
pe: application/x-dosexec application/vnd.microsoft.portable-executable application/x-msdownload
pe: application/x-msdos-program application/x-exe application/x-ms-dos-executable application/exe
pe: application/x-winexe application/msdos-windows
dos-com: application/x-com application/x-dos-com
elf: application/x-executable application/x-sharedlib application/x-pie-executable
elf: application/x-elf application/x-object application/x-coredump
macho: application/x-mach-binary
script: text/javascript application/javascript application/x-javascript application/ecmascript
script: text/x-msdos-batch application/x-bat application/bat application/x-powershell text/vbscript
script: text/vbs application/x-wsf text/x-powershell application/x-vbs
shell-script: text/x-shellscript application/x-sh application/x-shellscript application/x-csh
lnk: application/x-ms-shortcut
url: application/x-mswinurl application/internet-shortcut application/x-url
hta: application/hta
chm: application/vnd.ms-htmlhelp application/x-chm application/mshelp
msi: application/x-msi application/vnd.ms-appx application/msix
jar+zip: application/java-archive application/x-java-archive application/jar
jar: application/x-java-jnlp-file
disk-image: application/x-iso9660-image application/x-iso-image application/x-cd-image
disk-image: application/x-apple-diskimage application/x-virtualbox-vhd application/x-vhd
onenote: application/onenote application/msonenote
xll+pe: application/x-excel-addin
reg: text/x-ms-regedit application/x-ms-regedit
office-macro+ooxml: application/vnd.ms-word.document.macroenabled.12
office-macro+ooxml: application/vnd.ms-word.template.macroenabled.12
office-macro+ooxml: application/vnd.ms-excel.sheet.macroenabled.12
office-macro+ooxml: application/vnd.ms-excel.template.macroenabled.12
office-macro+ooxml: application/vnd.ms-excel.addin.macroenabled.12
office-macro+ooxml: application/vnd.ms-powerpoint.presentation.macroenabled.12
office-macro+ooxml: application/vnd.ms-powerpoint.slideshow.macroenabled.12
ooxml: application/vnd.openxmlformats-officedocument.wordprocessingml.document
ooxml: application/vnd.openxmlformats-officedocument.spreadsheetml.sheet
ooxml: application/vnd.openxmlformats-officedocument.presentationml.presentation
ooxml: application/vnd.ms-excel.sheet.binary.macroenabled.12
ole: application/msword application/vnd.ms-excel application/vnd.ms-powerpoint
ole: application/vnd.ms-office application/cdfv2 application/cdfv2-unknown
ole: application/cdfv2-encrypted application/cdfv2-corrupt application/x-ole-storage
ole: application/vnd.ms-outlook application/vnd.visio application/x-mspublisher application/x-mso
csv+text: text/csv text/tab-separated-values application/csv text/x-csv
sylk: application/x-sylk
rtf: application/rtf text/rtf text/richtext
pdf: application/pdf application/x-pdf
html: text/html application/xhtml+xml
svg+image: image/svg+xml image/svg
xml: text/xml application/xml
zip: application/zip application/x-zip application/x-zip-compressed multipart/x-zip
tar: application/x-tar application/x-gtar application/x-ustar
gzip: application/gzip application/x-gzip application/x-compressed-tar
bzip2: application/x-bzip2 application/x-bzip
xz: application/x-xz application/x-lzma
zstd: application/zstd application/x-zstd
lz4: application/x-lz4
7z: application/x-7z-compressed
rar: application/x-rar application/vnd.rar application/x-rar-compressed
cab: application/vnd.ms-cab-compressed application/x-cab
arj: application/x-arj application/arj
lha: application/x-lzh-compressed application/x-lha application/x-lharc
ace: application/x-ace application/x-ace-compressed
zpaq: application/x-zpaq
archive: application/x-compress application/x-cpio application/x-archive application/x-rpm
archive: application/vnd.debian.binary-package application/x-ms-wim
message: message/rfc822 message/global message/news message/partial
tnef: application/ms-tnef application/vnd.ms-tnef
calendar+text: text/calendar application/ics text/x-vcalendar
vcard+text: text/vcard text/x-vcard
signature: application/pgp-signature application/pkcs7-signature application/x-pkcs7-signature
encrypted-mail: application/pgp-encrypted application/pkcs7-mime application/x-pkcs7-mime
font: application/vnd.ms-opentype application/x-font-ttf application/font-sfnt
""")

# Each: at which offset, which octets, mean which kinds.
SIGNATURES: tuple[tuple[int, bytes, frozenset[str]], ...] = tuple(
    (offset, mark, frozenset(found.split()))
    for offset, mark, found in (
        (0, b"\x7fELF", "elf"),
        (0, b"\xcf\xfa\xed\xfe", "macho"),
        (0, b"\xce\xfa\xed\xfe", "macho"),
        (0, b"\xfe\xed\xfa\xcf", "macho"),
        (0, b"\xfe\xed\xfa\xce", "macho"),
        (0, b"L\x00\x00\x00\x01\x14\x02\x00", "lnk"),
        (0, b"ITSF\x03\x00\x00\x00", "chm"),
        (0, b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3", "onenote"),
        (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),
        (0, b"{\\rt", "rtf"),
        (0, b"\x78\x9f\x3e\x22", "tnef"),
        (0, b"ActiveMime", "ole"),
        (0, b"ID;P", "sylk"),
        (0, b"vhdxfile", "disk-image"),
        (0, b"KDMV", "disk-image"),
        (0, b"QFI\xfb", "disk-image"),
        (0, b"<<< Oracle VM VirtualBox", "disk-image"),
        (3, b"NTFS    ", "disk-image"),
        (54, b"FAT1", "disk-image"),
        (82, b"FAT32", "disk-image"),
        (512, b"EFI PART", "disk-image"),
        (0x8001, b"CD001", "disk-image"),
        (0x9301, b"CD001", "disk-image"),  # of raw sectors of 2352 octets
        (0x8001, b"BEA01", "disk-image"),
        (0x9801, b"NSR02", "disk-image"),
        (0x9801, b"NSR03", "disk-image"),
        (0, b"conectix", "disk-image"),
        (0, b"\x1f\x8b\x08", "gzip"),
        (0, b"\x1f\x9d", "archive"),
        (4, b"1AY&SY", "bzip2"),
        (0, b"\xfd7zXZ\x00", "xz"),
        (0, b"\x5d\x00\x00\x80\x00", "xz"),
        (0, b"\x28\xb5\x2f\xfd", "zstd"),
        (0, b"\x04\x22\x4d\x18", "lz4"),
        (0, b"7z\xbc\xaf\x27\x1c", "7z"),
        (0, b"Rar!\x1a\x07", "rar"),
        (0, b"MSCF\x00\x00\x00\x00", "cab"),
        (0, b"\x60\xea", "arj"),
        (2, b"-lh", "lha"),
        (2, b"-lz", "lha"),
        (7, b"**ACE**", "ace"),
        (0, b"7kSt\xa0\x31\x83\xd3", "zpaq"),
        (0, b"zPQ", "zpaq"),
        (0, b"!<arch>\n", "archive"),
        (0, b"\xed\xab\xee\xdb", "archive"),
        (0, b"MSWIM\x00", "archive"),
        (0, b"ALZ\x01", "archive"),
        (0, b"EGGA", "archive"),
        (0, b"SIT!", "archive"),
        (0, b"StuffIt (c)", "archive"),
        (0, b"SZDD\x88\xf0", "archive"),
        (0, b"(This file must be converted with BinHex", "archive"),
        (0, b"\x89PNG\r\n\x1a\n", "image"),
        (0, b"\xff\xd8\xff", "image"),
        (0, b"GIF8", "image"),
        (8, b"WEBP", "image"),
    )
)
