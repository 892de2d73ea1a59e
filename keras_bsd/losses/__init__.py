from keras_bsd.losses.frequency_reco import FrequencyReCo as FrequencyReCo
from keras_bsd.losses.reco import ReCo as ReCo
from keras_bsd.losses.reco import cosine_affinity as cosine_affinity
from keras_bsd.losses.reco import reco as reco
from keras_bsd.losses.reco import target_similarity as target_similarity
from keras_bsd.losses.similarity_matching import SimilarityMatching as SimilarityMatching
