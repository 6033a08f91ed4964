"""The papers as they are cited, by their names on the command line."""

CITATIONS = {
    "fts": (
        "Y. Zhao, H. J. Lee: Teacher-Student Architecture Based CNN for Action Recognition,"
        " KIPS Transactions on Computer and Communication Systems 11(3), 2022,"
        " doi:10.3745/KTCCS.2022.11.3.99"
    ),
    "ds": (
        "L. Lu, S. Li, N. Chen, L. Gao, Y. Fan, Y. Jiang, L. Wu: Learning and Distillating"
        " the Internal Relationship of Motion Features in Action Recognition, ICONIP 2020,"
        " doi:10.1007/978-3-030-63820-7_28"
    ),
    "dtmv": (
        "B. Zhang, L. Wang, Z. Wang, Y. Qiao, H. Wang: Real-Time Action Recognition With"
        " Deeply Transferred Motion Vector CNNs, IEEE Transactions on Image Processing"
        " 27(5), 2018"
    ),
    "htsc": (
        "S. Zhou, L. Chen, V. Sugumaran: Hidden Two-Stream Collaborative Learning Network"
        " for Action Recognition, Computers, Materials and Continua 63(3), 2020,"
        " doi:10.32604/cmc.2020.09867"
    ),
}
"""Name of a paper -> authors, title, where and when it appeared."""
