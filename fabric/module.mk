# NVMe-oF: addresses, Connect and Property commands, discovery log parsing, tcp/ and rdma/.
# FABRIC_CODEC_OBJS is what target-lite shares: the PDU codec and the verbs helpers, no host in it.
FABRIC_CODEC_SRCS := $(filter-out %_qpair.c,$(wildcard fabric/addr.c fabric/nqn.c fabric/tcp/pdu*.c)) \
	$(patsubst %,fabric/rdma/%.c,verbs cm dev region)
FABRIC_CODEC_OBJS := $(call objects,$(FABRIC_CODEC_SRCS))
FABRIC_OBJS := $(call objects,$(call sources,fabric fabric/tcp fabric/rdma))
