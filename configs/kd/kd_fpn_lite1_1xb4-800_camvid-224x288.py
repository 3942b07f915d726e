# Teacher assistant of chain_takd_camvid.yml (Mirzadeh et al., AAAI 2020): EfficientNet-Lite1 learns from Lite2. Not scored yet.
_base_ = ['./kd_fpn_lite0_1xb4-800_camvid-224x288.py']
model = dict(student=dict(backbone=dict(arch='lite1')))
