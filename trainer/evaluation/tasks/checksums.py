"""SHA-256 of the official annotation files, by their path below the annotations folder."""

CHECKSUMS = {
    "activitynet_qa/test_a.json": (
        "f8fffa0fd6d8dbdb788310c16fe7e6da0aa23758d811cc77b65060436acf97e5"
    ),
    "activitynet_qa/test_q.json": (
        "54d729564c3dfa0e795217f4df6023f7e43197fbb2b1fa4fd943ca65bee7eab8"
    ),
    "emoset/info.json": ("2efaf866d3bf92b57621993526852070091eb87a777ce744e9ea08ba61d22622"),
    "hvu/HVU_Tags_Categories_V1.0.csv": (
        "57e62ebb581f78fa53d4b3307a6f747d35f8116ab8f29088c0eb74a6d77e8d78"
    ),
    "hvu/HVU_Val_V1.0.zip": ("31a01ce95eb039d76e0550a3f429b14f28977a3774700ce87c7105a627bb5f2f"),
    "lambda_ad_memorability/bs_test_a.json": (
        "bcc200b4544cc96e2c3afc61a3bad705cffb9d2c45ad5effcff4a814271b58da"
    ),
    "lambda_ad_memorability/bs_test_q.json": (
        "bbcf8325ba3bb2a8768c7fa66deff8c0d2ac9d9f70a6083c36299b684787d324"
    ),
    "lamem_scores/humanmem_scores.txt": (
        "1a6aa4a635f17d6958f54cbbf610a20a3a93e72c026472c044057db07e5f74ec"
    ),
    "lvu_1.0/director_test.csv": (
        "e3527aa8b7e3b359358a54d9740c1554a7d41c50893ff3938fb2e8df3b49e887"
    ),
    "lvu_1.0/director_train.csv": (
        "bbe62befb69d001cc809126ce59353637a1d6ecb150064adf8ec87d43f850bae"
    ),
    "lvu_1.0/director_val.csv": (
        "bf278105d07a5ae6881a8b096f922c1c6989f5fc8d453607d05f6eecc2fd608d"
    ),
    "lvu_1.0/genre_test.csv": ("4795596aef62af15ac3d244c07429941cb0f8d3b45623c0509e4eaf09dc59931"),
    "lvu_1.0/genre_train.csv": ("8d6124c5f351bd0fd9b8378d056549185586b81fc11ff04abf79de77dbc67aa4"),
    "lvu_1.0/genre_val.csv": ("cdd6690015c0c86ebcfb9a78052bcfa478977f14863962a66aa90c3da9f862cd"),
    "lvu_1.0/like_ratio_test.csv": (
        "698567ce8e78c0ad12abe823a23f12bc85768556fe9a54332ce47e15632d9045"
    ),
    "lvu_1.0/like_ratio_train.csv": (
        "88005d2243188c29b04d0609a3b882c2901155819dbdf4d9d8fb7101c6c92811"
    ),
    "lvu_1.0/like_ratio_val.csv": (
        "80a414b729c25acf920f48993ba962317e024547374cd3f19984e9904064fb72"
    ),
    "lvu_1.0/relationship_test.csv": (
        "2d9a6f8981ef721b60b3c012af568e9ff031887d8aba7bcff0a8e0074eb9966b"
    ),
    "lvu_1.0/relationship_train.csv": (
        "1e08f1321aa4848afe44d7089be235323b4f3528309d9506094de86beab64e6d"
    ),
    "lvu_1.0/relationship_val.csv": (
        "d94f9927cc0634fb0c09a9589572f2de957505500c0ebf36f6f96b8e69dae7a5"
    ),
    "lvu_1.0/scene_test.csv": ("880990bf74c2e2a4a081ccac201073d194d2741a7739a6d122b6457f6ccb7622"),
    "lvu_1.0/scene_train.csv": ("fa4bcd117e5f32c8e57fcfce9c88432d02934c449036eb88cf61d3c652d43060"),
    "lvu_1.0/scene_val.csv": ("0f0a737d7fa9909ae937e49c31c2a001012f5c4050da8316b27501189eff49b5"),
    "lvu_1.0/view_count_test.csv": (
        "86ff9d545f49399f3309ec7affcbbe04c1244ba2d69feac2b58bc6ea11f884eb"
    ),
    "lvu_1.0/view_count_train.csv": (
        "98cdd7663a46f44760b93f0db3c9bd9f1e0970694696548952ea77d83952ae41"
    ),
    "lvu_1.0/view_count_val.csv": (
        "e90c50ec9ea773a16b94d128543deb5254c218f6d59cfd9fb7e147361b562b0c"
    ),
    "lvu_1.0/way_speaking_test.csv": (
        "ed8eb6dbe1c03949c10c77dcdd3b83fc448026c2ebe54a0c4d0940ebc8b729f3"
    ),
    "lvu_1.0/way_speaking_train.csv": (
        "ecaa8d29670ca2f331bea8a2e2bafb50303539592a2c9ba34e0b4f1301abac4b"
    ),
    "lvu_1.0/way_speaking_val.csv": (
        "3dfa3c741ecbdd6b6b246d819f7d5106b20d8c0f514e27f62919305b44fa226c"
    ),
    "lvu_1.0/writer_test.csv": ("cd33bf7ad54f1ee8c9850997543125306992d21be2583d65c26ba3858a120192"),
    "lvu_1.0/writer_train.csv": (
        "420dfcacb117feaf5c67c1a03f7b0ff4e2387792c7f90cc30cb86c3e7d1235cc"
    ),
    "lvu_1.0/writer_val.csv": ("d37464e2b17b40b0f8cc8c64161d94aac83000f5894467e929ed9ee2068c56b7"),
    "lvu_1.0/year_test.csv": ("2550d0983a73d9e1fa6e44a2577fb13b40ec852d2ad25f5ebc0931c9b8f94ca6"),
    "lvu_1.0/year_train.csv": ("760f173f4f501974e6a820a3738147f494a1dc3c16c6c4eef9e5798dcb92367a"),
    "lvu_1.0/year_val.csv": ("f9c9091c7f2b9b55a1e4e31da229d29b91200b8634ac356b91fc4398a414f982"),
    "memcat/memcat_image_data.csv": (
        "bfe61965e0bc6536dc77142358cc82443bd18019f56afd687672cf447cec2742"
    ),
    "memorability_video/2019_ground-truth_dev-set.csv": (
        "74b19823f05e03ebe8717aa13b54e94d962b1d2733c163e855d4e72bec1f6f27"
    ),
    "memorability_video/2020_dev_scores.csv": (
        "9e616c67ee9800c9f696b7af99c83355e7bf097e37e1eccdeaf5ab01b63a588c"
    ),
    "memorability_video/2020_scores_v2.csv": (
        "875374f11da7fe72cff07a1f24394d40047fbd710dbed7d9780aa5c2e0139354"
    ),
    "memorability_video/2021_memento_developemnt_set_dev_scores.csv": (
        "9657f24e9d8764402c07d319fe05b10b41c1b82aba7f98a0ce337622ff14f383"
    ),
    "memorability_video/2021_memento_training_set_train_scores.csv": (
        "1246adf454cf5a7eaada53101c791afe96162405b9ee09f3f4ce093a5b868af5"
    ),
    "memorability_video/2021_trecvid_developemnt_set_dev_scores.csv": (
        "c45bbe851cb38605fb1dca1e772622222ac773bb53ede1036884140e94e94589"
    ),
    "memorability_video/2021_trecvid_training_set_train_scores.csv": (
        "0c9b6d7f03e2449fa6288acb48d523c817822287bca9f6a22ed42de34760efad"
    ),
    "msrvtt_qa/msrvtt_qa_ans2label.json": (
        "570f7b4d44db55537b0e99a48b5ab93b680d64bc4f64ffc850f4a9c45736ca59"
    ),
    "msrvtt_qa/msrvtt_qa_val.json.gz": (
        "c0539768178f61dd28a79b96e4c409aaae73a26e4c34fe47444bd9804f971be4"
    ),
    "msvd_qa/msvd_qa_ans2label.json": (
        "bb3110283400699149c7c03f091fc95fc4c4873b42cb5fda9b14c1bd291eee10"
    ),
    "msvd_qa/msvd_qa_test.json.gz": (
        "1b2d92f213a472c69b7873493a5730bef558610826a73b55edc10879d7267679"
    ),
    "persuasion/data_annotations_file_train_set.json": (
        "3d6f4a25fad9f68676d2d0a9d05a949c333c26d9ba7af6f4026e3ca2c2f342fb"
    ),
    "persuasion/data_annotations_test_set.json": (
        "32b8db73a43e8d980f03daa5fe8f3794206375318d1529d42fa4147d43e963f0"
    ),
    "persuasion/data_test_Strategies_test.json": (
        "1f97810e8b9bb5e242e0301af34b4daa369208fe870241542a9d5b09d383c871"
    ),
    "persuasion/test_persuasion.xlsx": (
        "064f4202953fb8a060dc699abf7a892f4dcf2d3078d87dfe896e3f50beea4be4"
    ),
    "pitt_video_ads/Sentiments_List.txt": (
        "6aff8d36e97cd5c26a1834918bf7c63d8e5842908e4316b72bfdca7ab36dcba8"
    ),
    "pitt_video_ads/final_video_id_list.csv": (
        "4f9053b818ea8d047138f8bec87a0d8f963a3d9e63a6796baec9e5c3af6b79cc"
    ),
    "pitt_video_ads/sentiments.txt": (
        "55538f930532c1957921a881dd485c8ef84bd6eeaae483abaa8880c1f410a9a3"
    ),
    "pitt_video_ads/topics.txt": (
        "ffba5da52c5722abee8e5651f37f070e9513dd7c0d0a8b6157bb1b944975a313"
    ),
    "pitt_video_ads/video_QA_Action_raw.json": (
        "b592b6c479e76886bfc27e79cce38f4ecd9f98ed5cbdd635277652f8b43bc02f"
    ),
    "pitt_video_ads/video_QA_Reason_raw.json": (
        "ff99eb13594f1de1a09f8aaeac9d8f1e8287af02445ac734567782c00b80dd72"
    ),
    "pitt_video_ads/video_Sentiments_clean.json": (
        "d5594e929f8982fc9bcc4a60c5fae6339f9d8fa91fc56ba845ad7dcf1b3184b1"
    ),
    "pitt_video_ads/video_Sentiments_raw.json": (
        "2ea45a22e82a7f97b403c598dd5cae6050fbd41d747eb20df1c29fef81ea5e1d"
    ),
    "pitt_video_ads/video_Topics_clean.json": (
        "1f65b8c41c51d1fe3bb84af8153547fa079313b518297546df72fd8fabf75017"
    ),
    "pitt_video_ads/video_id_list.0": (
        "1babe982e0cdec36a83208a7bcd48c9437adf8c26e4dc207f6bb3290968f6d4c"
    ),
    "pitt_video_ads/video_id_list.1": (
        "e3e4aa8a48368b8382fb695ffd0a383e523446bb189a8c2c7fceeb6afb2e65bf"
    ),
    "pitt_video_ads/video_id_list.2": (
        "2d2e7e188bba644ecf9a42a54e6892d28546a4d4dd3ada562e1b6d9a55371153"
    ),
    "pitt_video_ads/video_id_list.3": (
        "aa602613cc187d17d2a45cf34b17db4ebc26cefd6414fe630a58a78d92902c45"
    ),
    "pitt_video_ads/video_id_list.4": (
        "58e95acc08780cb8e3c79d8fc980c4962c456f20ef5fb94af05ab9c82c26b0af"
    ),
    "salicon/fixations_train2014examples.json": (
        "078f9320e75d97c700d9c3c6104e9ab2054b928db10c42c7e224f52fdcd408dc"
    ),
    "osie/fixations.mat": ("2aab9133a407e4eff3f57ab5799872b162dbc77ca462c0391762eb5e67deadb9"),
}
